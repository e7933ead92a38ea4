use std::time::Duration;

use coracle_daemon_api::{ErrorCode, StartOptions, StopOptions, VmState};
use coracle_guest_api::status::EngineState;
use coracle_vm_driver::{ExitReason, VmEvent};
use coracled::Limits;

use crate::bench::{Bench, limits, until};
use crate::guest::Script;

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_vm_that_ends_is_started_again_until_it_has_ended_too_often() {
    let bench = Bench::new().await;
    let mut guest = bench.up().await;
    for round in 1..=2 {
        guest
            .exit(ExitReason::Failed("killed by signal 9".into()))
            .await;
        let down = bench
            .status_when(|status| status.vm.restarts == round)
            .await;
        assert_eq!(down.vm.state, VmState::Booting);
        assert!(down.degraded[0].contains("killed by signal 9"), "{down:#?}");
        guest = bench.guest(Script::default()).await;
        let up = bench.in_state(VmState::Running).await;
        assert!(up.degraded.is_empty());
        assert!(up.vm.last_error.unwrap().message.contains("signal 9"));
    }
    guest.exit(ExitReason::GuestCrashed).await;
    let failed = bench.in_state(VmState::Failed).await;
    let error = failed.vm.last_error.unwrap();
    assert_eq!(error.code, ErrorCode::VmFailed);
    assert!(error.message.contains("3 times"), "{error}");
    assert!(!bench.driver.has_guest());
    // A person may try again, and is forgiven.
    bench.up().await;
    assert_eq!(bench.status().await.vm.restarts, 0);
}

#[tokio::test]
async fn a_stop_ends_the_restarts() {
    let slow = Limits {
        back_off: Duration::from_secs(3600),
        ..limits()
    };
    let bench = Bench::with(slow).await;
    let guest = bench.up().await;
    guest.exit(ExitReason::GuestCrashed).await;
    bench.status_when(|status| status.vm.restarts == 1).await;
    let stopped = bench.client.stop(&StopOptions::default(), |_| {}).await;
    assert_eq!(stopped.unwrap().vm.state, VmState::Stopped);
    // A person who starts does not wait for the pause.
    let _guest = bench.up().await;
}

#[tokio::test]
async fn a_guest_that_never_says_hello_fails_the_start() {
    let bench = Bench::with(Limits {
        hello: SHORT,
        ..limits()
    })
    .await;
    let started = bench.client.start(&StartOptions::default(), |_| {}).await;
    let error = started.unwrap_err().to_api();
    assert_eq!(error.code, ErrorCode::VmFailed);
    assert!(error.message.contains("coracle logs vm"), "{error}");
    assert_eq!(bench.status().await.vm.state, VmState::Failed);
}

#[tokio::test]
async fn a_guest_of_another_version_is_refused_with_the_remedy() {
    let once = Limits {
        restarts: 0,
        ..limits()
    };
    let bench = Bench::with(once).await;
    let other = Script {
        protocol: 99,
        ..Script::default()
    };
    let options = StartOptions::default();
    let (started, _guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.guest(other));
    let error = started.unwrap_err().to_api();
    assert!(error.message.contains("cargo xtask image"), "{error}");
}

#[tokio::test]
async fn an_engine_that_never_comes_fails_the_start_with_its_reason() {
    let bench = Bench::with(Limits {
        engine: SHORT,
        ..limits()
    })
    .await;
    let broken = Script {
        engine: EngineState::Restarting {
            exits: 4,
            reason: "no iptables".into(),
        },
        ..Script::default()
    };
    let options = StartOptions::default();
    let (started, guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.guest(broken));
    let error = started.unwrap_err().to_api();
    assert_eq!(error.code, ErrorCode::EngineFailed);
    assert!(error.message.contains("no iptables"), "{error}");
    assert_eq!(
        guest.shutdowns(),
        1,
        "it is shut down in order all the same"
    );
}

#[tokio::test]
async fn a_failed_helper_means_an_orderly_restart() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    let why = "the file server of /home has ended";
    guest.report(VmEvent::HelperFailed(why.into())).await;
    guest.was_shut_down().await;
    let _second = bench.guest(Script::default()).await;
    let status = bench.in_state(VmState::Running).await;
    assert_eq!(status.vm.restarts, 1);
    assert!(status.vm.last_error.unwrap().message.contains(why));
}

#[tokio::test]
async fn a_lost_agent_means_a_new_vm() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    guest.break_off();
    let _second = bench.guest(Script::default()).await;
    let status = bench.in_state(VmState::Running).await;
    assert_eq!(status.vm.restarts, 1);
    let error = status.vm.last_error.unwrap();
    assert!(error.message.contains("guest agent"), "{error}");
}

#[tokio::test]
async fn a_guest_that_does_not_shut_down_is_killed() {
    let bench = Bench::with(Limits {
        shutdown: SHORT,
        ..limits()
    })
    .await;
    let stubborn = Script {
        obeys: false,
        ..Script::default()
    };
    let options = StartOptions::default();
    let (started, guest) =
        tokio::join!(bench.client.start(&options, |_| {}), bench.guest(stubborn));
    started.unwrap();
    let stopped = bench.client.stop(&StopOptions::default(), |_| {}).await;
    assert_eq!(stopped.unwrap().vm.state, VmState::Stopped);
    assert_eq!(guest.shutdowns(), 1);
}

#[tokio::test]
async fn what_is_missing_or_broken_on_the_host_is_the_answer_to_the_start() {
    let bench = Bench::new().await;
    bench.driver.fail_next("no such accelerator");
    let error = bench
        .client
        .start(&StartOptions::default(), |_| {})
        .await
        .unwrap_err()
        .to_api();
    assert_eq!(error.code, ErrorCode::VmFailed);
    assert!(error.message.contains("no such accelerator"));
    let status = bench.status().await;
    assert_eq!(status.vm.state, VmState::Stopped);
    assert_eq!(status.vm.last_error, Some(error));

    std::fs::remove_file(bench.options.image_dir.join("vmlinuz")).unwrap();
    let error = bench
        .client
        .start(&StartOptions::default(), |_| {})
        .await
        .unwrap_err()
        .to_api();
    assert_eq!(error.code, ErrorCode::Missing);
    assert!(error.message.contains("cargo xtask image"), "{error}");
}

#[tokio::test]
async fn asked_to_end_it_shuts_the_vm_down_and_asked_again_it_does_not_wait() {
    let mut bench = Bench::new().await;
    let guest = bench.up().await;
    bench.terminate().await;
    bench.ended().await.unwrap();
    assert_eq!(guest.shutdowns(), 1);

    let mut bench = Bench::new().await;
    let stubborn = Script {
        obeys: false,
        ..Script::default()
    };
    let options = StartOptions::default();
    let (started, guest) =
        tokio::join!(bench.client.start(&options, |_| {}), bench.guest(stubborn));
    started.unwrap();
    bench.terminate().await;
    guest.was_shut_down().await;
    // Meanwhile nobody brings it up again.
    let late = bench.client.start(&StartOptions::default(), |_| {}).await;
    assert_eq!(late.unwrap_err().to_api().code, ErrorCode::WrongState);
    bench.terminate().await;
    bench.ended().await.unwrap();
    until("the sockets are gone", async || {
        !bench.paths.daemon_socket().exists()
    })
    .await;
}
