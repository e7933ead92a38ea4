//! A VM that nobody uses.

use std::net::SocketAddr;
use std::time::Duration;

use coracle_daemon_api::{SettingChange, StartOptions, StopOptions, VmState};
use coracle_guest_api::StreamHeader;
use coracle_guest_api::exec::ExecRequest;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use crate::api::http;
use crate::bench::{Bench, until};
use crate::guest::{Guest, Script, Token};
use crate::ports::{free_port, request};

/// As long as the VM of these tests must be unused, in seconds, the shortest that can be set.
const AFTER_S: u64 = 1;

async fn up(script: Script) -> (Bench, Guest) {
    let bench = Bench::new().await;
    bench.driver.suspends();
    set(&bench, json!(AFTER_S)).await;
    let options = StartOptions::default();
    let (started, guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.guest(script));
    assert_eq!(started.unwrap().vm.state, VmState::Running);
    (bench, guest)
}

async fn set(bench: &Bench, value: Value) {
    set_key(bench, "idle.pause_after_s", value).await;
}

async fn set_key(bench: &Bench, key: &str, value: Value) {
    let key = key.into();
    let changed = bench.client.change(&[SettingChange { key, value }]).await;
    assert!(!changed.unwrap().restart_needed);
}

async fn asleep(bench: &Bench) {
    bench.status_when(|status| status.vm.asleep).await;
    assert!(bench.driver.is_paused());
}

async fn not_asleep(bench: &Bench) {
    sleep(Duration::from_secs(2 * AFTER_S)).await;
    assert!(!bench.driver.is_paused() && !bench.status().await.vm.asleep);
}

#[tokio::test]
async fn it_sleeps_until_somebody_writes_to_it() {
    let (bench, _guest) = up(Script::default()).await;
    for _ in 0..2 {
        asleep(&bench).await;
        let status = bench.status().await;
        assert_eq!(status.vm.state, VmState::Running);
        assert!(status.vm.asleep && bench.driver.is_paused(), "it was asked");
        let socket = bench.paths.engine_socket();
        let (status, _) = http(&socket, "GET", "/version", "").await;
        assert_eq!(status, StatusCode::OK);
        until("it is awake", async || !bench.driver.is_paused()).await;
        bench.status_when(|status| !status.vm.asleep).await;
    }
}

#[tokio::test]
async fn a_container_may_keep_it_awake() {
    let script = Script {
        containers: r#"[{"Id": "1"}]"#,
        ..Script::default()
    };
    let (bench, _guest) = up(script).await;
    not_asleep(&bench).await;
}

#[tokio::test]
async fn what_goes_over_its_network_keeps_it_awake() {
    let script = Script {
        chatter: 2048,
        ..Script::default()
    };
    let (bench, _guest) = up(script).await;
    sleep(Duration::from_secs(2 * AFTER_S)).await;
    not_asleep(&bench).await;
}

#[tokio::test]
async fn it_stays_awake_where_that_is_wanted() {
    let (bench, _guest) = up(Script::default()).await;
    set(&bench, json!(0)).await;
    not_asleep(&bench).await;
    set(&bench, json!(AFTER_S)).await;
    asleep(&bench).await;
}

#[tokio::test]
async fn it_is_suspended_and_shut_down_from_its_sleep() {
    let (bench, guest) = up(Script::default()).await;
    asleep(&bench).await;
    let options = StopOptions::default();
    let (stopped, token) = tokio::join!(bench.client.stop(&options, |_| {}), guest.suspended());
    assert_eq!(stopped.unwrap().vm.state, VmState::Suspended);
    let options = StartOptions::default();
    let (started, guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.woken(token));
    started.unwrap();
    asleep(&bench).await;
    let options = StopOptions {
        shutdown: true,
        ..StopOptions::default()
    };
    let stopped = bench.client.stop(&options, |_| {}).await.unwrap();
    assert_eq!(stopped.vm.state, VmState::Stopped);
    assert_eq!(guest.shutdowns(), 1);
}

#[tokio::test]
async fn it_is_not_suspended_in_vain() {
    let (bench, guest) = up(Script::default()).await;
    bench.replace_image();
    set_key(&bench, "idle.suspend_after_s", json!(AFTER_S)).await;
    asleep(&bench).await;
    sleep(Duration::from_secs(3 * AFTER_S)).await;
    assert!(bench.driver.is_paused());
    assert_eq!(bench.status().await.vm.state, VmState::Running);
    assert_eq!(guest.shutdowns(), 0);
}

/// Suspended because nobody used it, with a container's port: the port's address, and what wakes the guest.
async fn suspended_with_a_port(bench: &Bench, guest: Guest) -> (SocketAddr, Token) {
    let opener = guest.opener().await;
    let wanted = request(free_port());
    let address = SocketAddr::new(wanted.host_ip, wanted.host_port);
    let _lease = opener.open(&StreamHeader::Port(wanted)).await.unwrap();
    set_key(bench, "idle.suspend_after_s", json!(AFTER_S)).await;
    let suspended = bench.status_when(|status| status.vm.state == VmState::Suspended);
    let (status, token) = tokio::join!(suspended, guest.suspended());
    assert!(status.vm.asleep);
    let ports: Vec<_> = status.ports.iter().map(|port| &port.host).collect();
    assert!(ports.contains(&&address.to_string()), "{ports:?}");
    (address, token)
}

#[tokio::test]
async fn it_is_suspended_in_the_end_and_is_back_for_who_connects() {
    let (bench, guest) = up(Script::default()).await;
    let (address, token) = suspended_with_a_port(&bench, guest).await;
    let mut said = String::new();
    let (read, guest) = tokio::join!(
        async {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.read_to_string(&mut said).await
        },
        bench.woken(token)
    );
    read.unwrap();
    assert_eq!(said, "the container at 172.17.0.2:80");
    bench.in_state(VmState::Running).await;
    // And again, for the engine's socket.
    let (_, token) = suspended_with_a_port(&bench, guest).await;
    let socket = bench.paths.engine_socket();
    let ((status, _), _guest) =
        tokio::join!(http(&socket, "GET", "/version", ""), bench.woken(token));
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn who_wants_the_agent_of_a_suspended_vm_waits_for_it() {
    let (bench, guest) = up(Script::default()).await;
    let (_, token) = suspended_with_a_port(&bench, guest).await;
    let request = ExecRequest {
        argv: vec!["true".into()],
        env: vec![],
        cwd: None,
        tty: None,
    };
    let (shell, _guest) = tokio::join!(bench.client.shell(&request), bench.woken(token));
    shell.unwrap();
    bench.in_state(VmState::Running).await;
}

#[tokio::test]
async fn a_stop_of_a_vm_that_is_suspended_already_closes_its_ports() {
    let (bench, guest) = up(Script::default()).await;
    let (address, token) = suspended_with_a_port(&bench, guest).await;
    let options = StopOptions::default();
    let stopped = bench.client.stop(&options, |_| {}).await.unwrap();
    assert_eq!(stopped.vm.state, VmState::Suspended);
    assert!(!stopped.vm.asleep && stopped.ports.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
    let (status, text) = http(&bench.paths.engine_socket(), "GET", "/version", "").await;
    assert!(
        status.is_server_error() && text.contains("coracle start"),
        "{text}"
    );
    let options = StartOptions::default();
    let (started, _guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.woken(token));
    assert_eq!(started.unwrap().vm.state, VmState::Running);
}

#[tokio::test]
async fn an_open_connection_keeps_it_from_being_suspended() {
    let script = Script {
        containers: "[]",
        ..Script::default()
    };
    let (bench, _guest) = up(script).await;
    set_key(&bench, "idle.suspend_after_s", json!(AFTER_S)).await;
    // A connection that rests counts too.
    let mut client = UnixStream::connect(bench.paths.engine_socket())
        .await
        .unwrap();
    let ask = b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write_all(ask).await.unwrap();
    client.read_u8().await.unwrap();
    asleep(&bench).await;
    sleep(Duration::from_secs(3 * AFTER_S)).await;
    assert_eq!(bench.status().await.vm.state, VmState::Running);
    assert!(bench.driver.is_paused());
}
