use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use coracle_daemon_api::{Client, ErrorCode, VmState};
use coracle_vm_driver::fake::FakeDriver;
use coracled::Claim;
use tokio::net::UnixListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::bench::{Bench, limits, options, until};

fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coracled"));
    command.arg("--home").arg(home).kill_on_drop(true);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

async fn refusal(home: &Path) -> (Option<i32>, String) {
    let output = program(home).output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_not_disturbed() {
    let bench = Bench::new().await;
    let home = bench.paths.home();
    let (code, text) = refusal(home).await;
    assert_eq!(code, Some(ErrorCode::AlreadyRunning.exit_code().into()));
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(text.contains("CORACLE_HOME"), "{text}");
    let error = Claim::take(bench.paths.clone()).unwrap_err();
    assert_eq!(error.code, ErrorCode::AlreadyRunning);
    assert_eq!(bench.status().await.vm.state, VmState::Stopped);
}

#[tokio::test]
async fn a_killed_daemon_is_no_obstacle_and_sigterm_ends_one_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("s");
    let paths = coracle_host_paths::HostPaths::at(home.clone()).unwrap();
    let client = Client::new(&paths.daemon_socket());
    let mut first = program(&home).spawn().unwrap();
    until("it answers", async || client.hello().await.is_ok()).await;
    for socket in [paths.daemon_socket(), paths.engine_socket()] {
        let mode = fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    first.kill().await.unwrap();
    assert!(paths.daemon_socket().exists(), "what is left is stale");

    let mut second = program(&home).spawn().unwrap();
    until("it answers", async || client.hello().await.is_ok()).await;
    let pid = client.hello().await.unwrap().pid;
    assert_eq!(Some(pid), second.id());
    assert_eq!(
        fs::read_to_string(paths.lock_file()).unwrap(),
        format!("{pid}\n")
    );
    signal(&second, "TERM");
    assert!(second.wait().await.unwrap().success());
    assert!(!paths.daemon_socket().exists());
    let log = fs::read_to_string(paths.daemon_log()).unwrap();
    assert!(log.contains("ready") && log.contains("ended"), "{log}");
}

#[tokio::test]
async fn broken_settings_are_the_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("s");
    fs::create_dir(&home).unwrap();
    let file = home.join("settings.json");
    fs::write(&file, "{\n  vm.cpus: 2\n}").unwrap();
    let (code, text) = refusal(&home).await;
    assert_eq!(code, Some(ErrorCode::InvalidInput.exit_code().into()));
    assert!(text.contains("settings.json, line 2"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  vm.cpus: 2\n}");
}

#[tokio::test]
async fn what_is_in_the_way_of_a_socket_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, options) = options(&folder, &FakeDriver::default(), limits());
    let in_the_way = paths.engine_socket();
    fs::write(&in_the_way, "precious").unwrap();
    let claim = Claim::take(paths.clone()).unwrap();
    let (_signals, asked) = mpsc::channel(1);
    let error = coracled::run(claim, options.clone(), asked)
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::Host);
    assert!(
        error.message.contains(in_the_way.to_str().unwrap()),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&in_the_way).unwrap(), "precious");

    fs::remove_file(&in_the_way).unwrap();
    let served = UnixListener::bind(&in_the_way).unwrap();
    let claim = Claim::take(paths.clone()).unwrap();
    let (_signals, asked) = mpsc::channel(1);
    let error = coracled::run(claim, options.clone(), asked)
        .await
        .unwrap_err();
    assert!(error.message.contains("another program listens"), "{error}");
    assert!(in_the_way.exists());

    // Whoever left it is gone.
    drop(served);
    let claim = Claim::take(paths.clone()).unwrap();
    let (_signals, asked) = mpsc::channel(1);
    let daemon = tokio::spawn(coracled::run(claim, options, asked));
    let client = Client::new(&paths.daemon_socket());
    until("it answers", async || client.hello().await.is_ok()).await;
    daemon.abort();
}
