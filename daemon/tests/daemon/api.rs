use bytes::Bytes;
use coracle_daemon_api::{
    Client, ClientError, DaemonNews, ErrorCode, SettingChange, StartOptions, StopOptions, VmState,
};
use coracle_guest_api::exec::{self, ExecFrame, ExecRequest};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::path::Path;
use tokio::net::UnixStream;

use crate::bench::{Bench, PATIENCE};
use crate::guest::{ENGINE, Script};

pub(crate) async fn http(
    socket: &Path,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, String) {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "x")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}

#[tokio::test]
async fn hello_says_who_is_there() {
    let bench = Bench::new().await;
    let hello = bench.client.hello().await.unwrap();
    assert_eq!(hello.pid, std::process::id());
    let nobody = Client::new(&bench.folder.path().join("nobody"));
    let error = nobody.hello().await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning(_)));
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_nothing_breaks() {
    let bench = Bench::new().await;
    let socket = bench.paths.daemon_socket();
    for (method, path, body) in [
        ("GET", "/", ""),
        ("GET", "/v1/start", ""),
        ("POST", "/v1/start", "{"),
        ("POST", "/v1/start", r#"{"cpus": "all"}"#),
        ("POST", "/v1/stop", ""),
        ("PATCH", "/v1/settings", "[1]"),
        ("GET", "/v1/logs", ""),
        ("GET", "/v1/logs?source=../coracled.lock", ""),
        ("GET", "/v1/logs?source=vm&follow=maybe", ""),
        ("POST", "/v1/shell", "{}"),
    ] {
        let (status, text) = http(&socket, method, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path}: {text}");
        let error: coracle_daemon_api::ApiError = serde_json::from_str(&text).unwrap();
        assert_eq!(error.code, ErrorCode::InvalidInput);
    }
    let long = "x".repeat(2 << 20);
    let (status, _) = http(&socket, "PATCH", "/v1/settings", &long).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.status().await.vm.state, VmState::Stopped);
}

#[tokio::test]
async fn settings_are_listed_changed_and_refused() {
    let bench = Bench::new().await;
    let all = bench.client.settings().await.unwrap();
    let keys: Vec<_> = all.iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "vm.cpus",
            "vm.memory_mib",
            "vm.disk_gib",
            "shares",
            "files.ignored",
            "ports.address",
            "idle.pause_after_s",
            "idle.suspend_after_s",
            "idle.cpu_percent",
            "engine.config",
            "proxy.http",
            "proxy.https",
            "proxy.no_proxy",
            "registry.insecure",
            "registry.mirrors",
            "registry.ca"
        ]
    );
    let wish = |value| {
        [SettingChange {
            key: "vm.cpus".into(),
            value,
        }]
    };
    let changed = bench.client.change(&wish(json!(3))).await.unwrap();
    assert_eq!(changed.changed[0].value, json!(3));
    assert!(!changed.restart_needed);
    assert_eq!(bench.status().await.vm.cpus, 3);

    let _guest = bench.up().await;
    let changed = bench.client.change(&wish(json!(1))).await.unwrap();
    assert!(changed.restart_needed);
    assert_eq!(bench.status().await.vm.cpus, 3, "the VM has what it had");
    let refused = bench.client.change(&wish(json!(99))).await.unwrap_err();
    assert_eq!(refused.to_api().code, ErrorCode::InvalidInput);

    let sizes = StartOptions {
        memory_mib: Some(1),
        ..StartOptions::default()
    };
    let refused = bench.client.restart(&sizes, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("vm.memory_mib"), "{refused}");
    assert_eq!(bench.status().await.vm.state, VmState::Running);
}

#[tokio::test]
async fn a_settings_file_broken_meanwhile_is_told_and_left_alone() {
    let bench = Bench::new().await;
    let file = bench.paths.settings_file();
    std::fs::write(&file, "{\n\"vm.cpus\": 0}").unwrap();
    let started = bench.client.start(&StartOptions::default(), |_| {}).await;
    let error = started.unwrap_err().to_api();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(error.message.contains("line 2"), "{error}");
    assert!(bench.client.settings().await.is_err());
    std::fs::write(&file, r#"{"vm.gpu": 1}"#).unwrap();
    let _guest = bench.up().await;
    assert!(bench.status().await.degraded[0].contains("vm.gpu"));
}

#[tokio::test]
async fn events_tell_each_change_and_end_with_the_daemon() {
    let mut bench = Bench::new().await;
    let client = bench.client.clone();
    let listener = tokio::spawn(async move {
        let mut states: Vec<VmState> = Vec::new();
        let each = |news: DaemonNews| {
            let state = news.status.vm.state;
            if states.last() != Some(&state) {
                states.push(state);
            }
            true
        };
        client.events(each).await.unwrap();
        states
    });
    bench.client.events(|_| false).await.unwrap();
    let _guest = bench.up().await;
    bench.quit().await;
    let states = tokio::time::timeout(PATIENCE, listener).await.unwrap();
    let states = states.unwrap();
    assert!(states.contains(&VmState::Running), "{states:?}");
    assert_eq!(states.last(), Some(&VmState::Stopped));
}

#[tokio::test]
async fn a_shell_reaches_the_guest_and_its_exit_code_comes_back() {
    let bench = Bench::new().await;
    let request = ExecRequest {
        argv: vec!["echo".into(), "hi".into()],
        env: vec![],
        cwd: None,
        tty: None,
    };
    let refused = bench.client.shell(&request).await.err().unwrap().to_api();
    assert_eq!(refused.code, ErrorCode::WrongState);
    let _guest = bench.up().await;
    let mut shell = bench.client.shell(&request).await.unwrap();
    for bytes in [&b" there"[..], b""] {
        let frame = ExecFrame::Stdin(bytes.to_vec());
        exec::write(&mut shell, &frame).await.unwrap();
    }
    let said = exec::read(&mut shell).await.unwrap().unwrap();
    assert_eq!(said, ExecFrame::Stdout(b"echo hi there".to_vec()));
    let last = exec::read(&mut shell).await.unwrap().unwrap();
    assert_eq!(last, ExecFrame::Exit(3));
    assert_eq!(exec::read(&mut shell).await.unwrap(), None);
}

#[tokio::test]
async fn logs_are_given_and_followed() {
    let bench = Bench::new().await;
    let _guest = bench.up().await;
    std::fs::write(bench.paths.console_log(), "Linux\n").unwrap();
    let read = async |source: &str, end: &str| {
        let (mut text, client) = (String::new(), bench.client.clone());
        let follow = async {
            let mut pieces = client.logs(source, true).await.unwrap();
            while !text.ends_with(end) {
                let piece = pieces.next().await.unwrap().unwrap();
                text.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, follow).await.unwrap();
        text
    };
    assert_eq!(read("vm", "Linux\n").await, "Linux\n");
    let words = "the engine's words\n";
    assert_eq!(read("engine", words).await, words);
    let mut text = Vec::new();
    let mut pieces = bench.client.logs("vm", false).await.unwrap();
    while let Some(piece) = pieces.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    assert_eq!(text, b"Linux\n");
}

#[tokio::test]
async fn the_engine_socket_is_there_for_the_daemons_whole_life() {
    let mut bench = Bench::new().await;
    let socket = bench.paths.engine_socket();
    let (status, text) = http(&socket, "GET", "/version", "").await;
    assert!(status.is_server_error(), "{status}");
    assert!(text.contains("coracle start"), "{text}");
    let guest = bench.up().await;
    let (status, text) = http(&socket, "GET", "/v1.44/version", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains(ENGINE));
    // What the state folder holds cannot be mounted, though a share holds it.
    for (source, allowed) in [
        (bench.home(), true),
        (bench.paths.home().to_owned(), false),
        ("/opt".into(), false),
    ] {
        let body =
            json!({"Image": "x", "HostConfig": {"Binds": [format!("{}:/x", source.display())]}});
        let (status, text) = http(&socket, "POST", "/containers/create", &body.to_string()).await;
        assert_eq!(status.is_success(), allowed, "{}: {text}", source.display());
    }
    bench
        .client
        .stop(&StopOptions::default(), |_| {})
        .await
        .unwrap();
    drop(guest);
    let (_, text) = http(&socket, "GET", "/version", "").await;
    assert!(text.contains("coracle start"), "{text}");
    bench.quit().await;
    assert!(UnixStream::connect(&socket).await.is_err());
}

#[tokio::test]
async fn a_client_of_the_engine_waits_for_a_vm_on_its_way() {
    let bench = Bench::new().await;
    let options = StartOptions::default();
    let start = bench.client.start(&options, |_| {});
    let early = async {
        bench.in_state(VmState::Booting).await;
        let socket = bench.paths.engine_socket();
        let (answer, _guest) = tokio::join!(
            http(&socket, "GET", "/version", ""),
            bench.guest(Script::default())
        );
        answer
    };
    let (started, (status, _)) = tokio::join!(start, early);
    started.unwrap();
    assert_eq!(status, StatusCode::OK);
}
