//! A VM that nobody uses.

use std::time::Duration;

use coracle_daemon_api::{SettingChange, StartOptions, StopOptions, VmState};
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::api::http;
use crate::bench::{Bench, until};
use crate::guest::{Guest, Script};

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
    let key = "idle.pause_after_s".into();
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
