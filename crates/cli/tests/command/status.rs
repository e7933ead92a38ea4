use std::os::unix::net::UnixListener;

use coracle_daemon_api::{ApiError, ErrorCode, Status, VmState};

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::Home;

#[test]
fn the_table_says_it_all() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let text = home.coracle(&["status"]).expect(0).stdout;
    for part in [
        "running, 2 CPUs, 4 GiB, up 1 min 1 s",
        "ready, Docker 26.1.5",
        "tcg (QEMU 10.0.2): /dev/kvm may not be opened",
        "1.5 GiB of 64 GiB",
        "0.0.0.0:8080 → 172.17.0.2:80/tcp NOT OPEN: another program listens there",
        "/home/me",
        "the clock was behind",
        "run/docker.sock",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_note_on_the_accelerator_is_told_once() {
    let home = Home::new();
    let mut script = Script::new(&home.state());
    let note = "/dev/kvm may not be opened: join the group kvm";
    script.status.degraded.push(note.into());
    let _daemon = FakeDaemon::start(&home.state(), script);
    let text = home.coracle(&["status"]).expect(0).stdout;
    assert_eq!(text.matches(note).count(), 1, "{text}");
    assert!(text.contains("tcg (QEMU 10.0.2)\n"), "{text}");
}

#[test]
fn what_a_stop_would_end_and_what_waits_for_a_restart_is_told() {
    let home = Home::new();
    let mut script = Script::new(&home.state());
    let why = "The VM cannot be suspended, only shut down: its settings have changed.";
    script.status.vm.cannot_suspend = Some(why.into());
    script.status.vm.changed_settings = vec!["vm.cpus".into(), "shares".into()];
    let _daemon = FakeDaemon::start(&home.state(), script);
    let text = home.coracle(&["status"]).expect(0).stdout;
    assert!(text.contains(why), "{text}");
    assert!(text.contains("next start: vm.cpus, shares"), "{text}");
}

#[test]
fn json_is_the_daemons_status() {
    let home = Home::new();
    let script = Script::new(&home.state());
    let _daemon = FakeDaemon::start(&home.state(), script.clone());
    let ran = home.coracle(&["--json", "status"]).expect(0);
    let status: Status = serde_json::from_value(ran.json()).unwrap();
    assert_eq!(status, script.status);
    assert_eq!(ran.json()["vm"]["state"], "running");
}

#[test]
fn the_exit_code_tells_the_state() {
    for (state, ready, code) in [
        (VmState::Running, true, 0),
        (VmState::Running, false, 7),
        (VmState::Stopped, false, 4),
        (VmState::Suspended, false, 4),
        (VmState::Booting, false, 4),
        (VmState::EngineStarting, false, 4),
        (VmState::Stopping, false, 4),
        (VmState::Failed, false, 6),
    ] {
        let home = Home::new();
        let mut script = Script::new(&home.state());
        script.status.vm.state = state;
        script.status.engine.ready = ready;
        script.status.vm.last_error = Some(ApiError::new(ErrorCode::VmFailed, "no memory"));
        let _daemon = FakeDaemon::start(&home.state(), script);
        let ran = home.coracle(&["status"]).expect(code);
        assert!(ran.stdout.contains("no memory"), "{ran:?}");
    }
}

#[test]
fn a_socket_without_a_daemon_is_no_daemon() {
    let home = Home::new();
    let ran = home.coracle(&["status"]).expect(9);
    assert!(
        ran.stderr.contains("stopped (daemon not running)"),
        "{ran:?}"
    );
    std::fs::create_dir_all(home.path("state/run")).unwrap();
    drop(UnixListener::bind(home.path("state/run/coracled.sock")).unwrap());
    let ran = home.coracle(&["status", "--json"]).expect(9);
    assert_eq!(ran.json()["error"]["code"], "daemon-unreachable");
    home.coracle(&["stop"]).expect(0);
    let stop = home.coracle(&["stop", "--json"]).expect(0).json();
    assert_eq!(
        stop,
        serde_json::json!({ "progress": "done", "status": null })
    );
}

#[test]
fn a_daemon_of_another_version_is_refused_with_the_remedy() {
    let home = Home::new();
    let mut script = Script::new(&home.state());
    script.hello.api += 1;
    let daemon = FakeDaemon::start(&home.state(), script);
    let ran = home.coracle(&["status"]).expect(9);
    assert!(ran.stderr.contains("coracle stop --quit"), "{ran:?}");
    home.coracle(&["stop"]).expect(0);
    assert_eq!(
        daemon.bodies("/v1/stop"),
        [r#"{"quit":false,"shutdown":false,"suspend_only":false}"#]
    );
}
