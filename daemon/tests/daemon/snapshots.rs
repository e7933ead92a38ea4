//! Snapshots, with a driver that can.

use std::fs;

use coracle_daemon_api::{
    ApiError, ClientError, ErrorCode, SnapshotName, StartOptions, Status, StopOptions, VmState,
};

use crate::bench::Bench;
use crate::guest::{Guest, Script, Token};

type Outcome = Result<Status, ClientError>;

async fn up() -> (Bench, Guest) {
    let bench = Bench::new().await;
    bench.driver.suspends();
    let guest = bench.up().await;
    (bench, guest)
}

fn named(name: &str) -> SnapshotName {
    SnapshotName { name: name.into() }
}

async fn take(bench: &Bench, name: &str) -> Outcome {
    bench.client.take_snapshot(&named(name), |_| {}).await
}

async fn restore(bench: &Bench, name: &str) -> Outcome {
    bench.client.restore_snapshot(&named(name), |_| {}).await
}

async fn delete(bench: &Bench, name: &str) -> Outcome {
    bench.client.delete_snapshot(&named(name), |_| {}).await
}

async fn names(bench: &Bench) -> Vec<String> {
    let all = bench.client.snapshots().await.unwrap();
    all.into_iter().map(|one| one.name).collect()
}

/// Shut down, with the snapshot `a`; what a guest that goes on from it must know.
async fn shut_down_with_one() -> (Bench, Token) {
    let (bench, guest) = up().await;
    take(&bench, "a").await.unwrap();
    let token = guest.snapshot().await;
    shut_down(&bench).await;
    (bench, token)
}

async fn shut_down(bench: &Bench) {
    let shut = StopOptions {
        shutdown: true,
        ..StopOptions::default()
    };
    bench.client.stop(&shut, |_| {}).await.unwrap();
}

/// The next start goes on from the snapshot, whoever wanted it.
async fn start_goes_on_from(bench: &Bench, token: Token) {
    let start = StartOptions::default();
    let (started, _guest) = tokio::join!(bench.client.start(&start, |_| {}), bench.returned(token));
    assert_eq!(started.unwrap().vm.state, VmState::Running);
}

#[track_caller]
fn refused(outcome: Outcome, code: ErrorCode, words: &str) {
    let error: ApiError = outcome.unwrap_err().to_api();
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(words), "{error}");
}

fn layer(bench: &Bench) -> std::path::PathBuf {
    bench.paths.data_disk().with_extension("qcow2")
}

#[tokio::test]
async fn one_is_taken_of_the_running_vm_and_gone_back_to() {
    let (bench, guest) = up().await;
    let status = take(&bench, "a").await.unwrap();
    assert_eq!(status.vm.state, VmState::Running);
    let token = guest.snapshot().await;
    let all = bench.client.snapshots().await.unwrap();
    assert_eq!((all[0].name.as_str(), all[0].pause_ms), ("a", Some(7)));
    assert!(guest.told_ns().await > 0);
    for _ in 0..2 {
        let (status, guest) = tokio::join!(restore(&bench, "a"), bench.returned(token));
        assert_eq!(status.unwrap().vm.state, VmState::Running);
        assert_eq!(guest.config.disks[2].layer, Some(layer(&bench)));
        assert_eq!(guest.shutdowns(), 0);
    }
    assert_eq!(names(&bench).await, ["a"]);
}

#[tokio::test]
async fn a_suspended_vm_is_given_up_for_one_and_a_stopped_one_goes_on_from_it() {
    let (bench, guest) = up().await;
    take(&bench, "a").await.unwrap();
    let token = guest.snapshot().await;
    let options = StopOptions::default();
    let (stopped, _) = tokio::join!(bench.client.stop(&options, |_| {}), guest.suspended());
    assert_eq!(stopped.unwrap().vm.state, VmState::Suspended);
    let (status, guest) = tokio::join!(restore(&bench, "a"), bench.returned(token));
    assert_eq!(status.unwrap().vm.state, VmState::Running);
    let options = StopOptions {
        shutdown: true,
        ..options
    };
    bench.client.stop(&options, |_| {}).await.unwrap();
    drop(guest);
    let (status, guest) = tokio::join!(restore(&bench, "a"), bench.returned(token));
    assert_eq!(status.unwrap().vm.state, VmState::Running);
    // From then on it is suspended and resumed as ever.
    let options = StopOptions::default();
    let (stopped, token) = tokio::join!(bench.client.stop(&options, |_| {}), guest.suspended());
    stopped.unwrap();
    let start = StartOptions::default();
    let (started, _guest) = tokio::join!(bench.client.start(&start, |_| {}), bench.woken(token));
    assert_eq!(started.unwrap().vm.state, VmState::Running);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_the_vm_goes_on() {
    let (bench, _guest) = up().await;
    take(&bench, "a").await.unwrap();
    refused(take(&bench, "a").await, ErrorCode::WrongState, "already");
    refused(
        take(&bench, "a/b").await,
        ErrorCode::InvalidInput,
        "letters",
    );
    for outcome in [restore(&bench, "b").await, delete(&bench, "b").await] {
        refused(outcome, ErrorCode::Missing, "no snapshot b");
    }
    bench.driver.fail_save(true);
    refused(take(&bench, "b").await, ErrorCode::Host, "free some space");
    bench.driver.fail_save(false);
    assert_eq!(names(&bench).await, ["a"]);

    let memory = bench.paths.snapshots_dir().join("a/memory");
    let good = fs::read(&memory).unwrap();
    fs::write(&memory, good.to_ascii_uppercase()).unwrap();
    refused(restore(&bench, "a").await, ErrorCode::WrongState, "damaged");
    fs::write(&memory, good).unwrap();

    let manifest = bench.options.image_dir.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("7+abc", "8+def")).unwrap();
    refused(
        restore(&bench, "a").await,
        ErrorCode::WrongState,
        "image is another",
    );
    fs::write(&manifest, text).unwrap();
    assert_eq!(bench.status().await.vm.state, VmState::Running);
}

#[tokio::test]
async fn a_restore_that_a_killed_daemon_has_begun_is_finished_by_the_next_start() {
    let (bench, token) = shut_down_with_one().await;
    fs::write(bench.paths.snapshots_dir().join(".restore"), "a").unwrap();
    refused(
        delete(&bench, "a").await,
        ErrorCode::WrongState,
        "being restored",
    );
    start_goes_on_from(&bench, token).await;
    delete(&bench, "a").await.unwrap();
}

#[tokio::test]
async fn a_disk_that_is_still_in_use_is_left_alone() {
    let (bench, token) = shut_down_with_one().await;
    bench.driver.disks_are_in_use(true);
    refused(restore(&bench, "a").await, ErrorCode::VmFailed, "in use");
    bench.driver.disks_are_in_use(false);
    // It is wanted still.
    start_goes_on_from(&bench, token).await;
}

#[tokio::test]
async fn a_restore_that_fails_leaves_the_data_disk_to_the_next_start() {
    let (bench, _) = shut_down_with_one().await;
    // The disk has lost what it kept.
    fs::write(layer(&bench), "").unwrap();
    let outcome = restore(&bench, "a").await;
    refused(outcome, ErrorCode::WrongState, "lost its state");
    fs::write(bench.paths.snapshots_dir().join(".restore"), "a").unwrap();
    let options = StartOptions::default();
    let outcome = bench.client.start(&options, |_| {}).await;
    refused(outcome, ErrorCode::Host, "no such tag");
    bench.up().await;
}

#[tokio::test]
async fn a_restore_that_ends_in_a_boot_is_not_said_to_go_on() {
    let (bench, _) = shut_down_with_one().await;
    bench.driver.fail_next("another hypervisor");
    let (outcome, _guest) = tokio::join!(restore(&bench, "a"), bench.guest(Script::default()));
    refused(outcome, ErrorCode::VmFailed, "boots from the disk");
    bench
        .status_when(|status| status.vm.state == VmState::Running)
        .await;
}

#[tokio::test]
async fn what_deleted_ones_have_left_in_the_disk_goes() {
    let (bench, guest) = up().await;
    for name in ["a", "b"] {
        take(&bench, name).await.unwrap();
    }
    let tags = || fs::read_to_string(layer(&bench)).unwrap().lines().count();
    assert_eq!(tags(), 2);
    delete(&bench, "a").await.unwrap();
    assert_eq!(tags(), 1);
    shut_down(&bench).await;
    drop(guest);
    delete(&bench, "b").await.unwrap();
    assert_eq!(tags(), 1, "nobody has the disk");
    let guest = bench.up().await;
    assert!(!layer(&bench).exists());
    assert_eq!(guest.config.disks[2].layer, None);
    take(&bench, "c").await.unwrap();
    bench.client.reset(|_| {}).await.unwrap();
    assert!(names(&bench).await.is_empty() && !layer(&bench).exists());
}
