use std::os::unix::fs::PermissionsExt;

use coracle_daemon_api::{ErrorCode, Progress, Stage, StartOptions, StopOptions, VmState};
use coracle_guest_api::status::{AgentEvent, EngineState};
use coracle_vm_driver::{ExitReason, VmEvent};

use crate::bench::{Bench, until};
use crate::guest::{ENGINE, Script};

#[tokio::test]
async fn a_start_goes_through_its_stages_and_everything_is_in_the_status() {
    let bench = Bench::new().await;
    let before = bench.status().await;
    assert_eq!(before.vm.state, VmState::Stopped);
    assert!(before.host.is_none() && before.versions.engine.is_none());

    let mut stages = Vec::new();
    let options = StartOptions {
        cpus: Some(2),
        memory_mib: Some(3072),
        disk_gib: Some(10),
    };
    let start = bench.client.start(&options, |progress| {
        if let Progress::Stage { stage, .. } = progress {
            stages.push(*stage);
        }
    });
    let (status, guest) = tokio::join!(start, bench.guest(Script::default()));
    assert_eq!(status.unwrap().vm.state, VmState::Running);
    use Stage::{Booting, Checking, Engine, Preparing};
    assert_eq!(stages, [Checking, Preparing, Booting, Engine]);

    assert_eq!((guest.config.cpus, guest.config.memory_mib), (2, 3072));
    let serials: Vec<_> = guest
        .config
        .disks
        .iter()
        .map(|disk| &*disk.serial)
        .collect();
    assert_eq!(serials, ["root", "config", "data"]);
    assert!(guest.config.disks[0].read_only && !guest.config.disks[2].read_only);
    let share = &guest.boot.shares[0];
    assert_eq!(share.path, bench.home().to_str().unwrap());
    assert_eq!(share.masks, [bench.paths.home().to_str().unwrap()]);
    assert_eq!(guest.config.shares[0].tag, share.tag);
    let secret_disk = bench.paths.config_disk().metadata().unwrap();
    assert_eq!(secret_disk.permissions().mode() & 0o777, 0o600);

    let status = bench.status().await;
    assert!(
        status.engine.ready && status.degraded.is_empty(),
        "{status:#?}"
    );
    assert_eq!(status.versions.engine.as_deref(), Some(ENGINE));
    assert_eq!(status.versions.image.as_deref(), Some("7+abc"));
    assert_eq!(status.versions.agent.as_deref(), Some("0.9"));
    assert_eq!(status.versions.kernel.as_deref(), Some("6.12"));
    assert_eq!(status.vm.uptime_s, Some(42));
    assert_eq!(status.vm.disk_bytes, 10 << 30);
    assert!(status.vm.usage.is_some());
    assert!(status.shares[0].mounted);
    assert_eq!(status.host.unwrap().accelerator, "fake");
}

#[tokio::test]
async fn a_stop_is_orderly_and_nothing_secret_stays() {
    let mut bench = Bench::new().await;
    let guest = bench.up().await;
    let stopped = bench.client.stop(&StopOptions::default(), |_| {}).await;
    let status = stopped.unwrap();
    assert_eq!(status.vm.state, VmState::Stopped);
    assert_eq!(guest.shutdowns(), 1);
    assert!(status.vm.last_error.is_none() && status.versions.engine.is_none());
    assert!(!bench.paths.config_disk().exists());
    assert!(bench.paths.data_disk().exists());
    // Again is no error.
    let again = bench.client.stop(&StopOptions::default(), |_| {}).await;
    assert_eq!(again.unwrap().vm.state, VmState::Stopped);
    bench.quit().await;
    assert!(!bench.paths.daemon_socket().exists());
    assert!(!bench.paths.engine_socket().exists());
}

#[tokio::test]
async fn a_restart_is_a_new_vm_with_a_new_secret() {
    let bench = Bench::new().await;
    let first = bench.up().await;
    let options = StartOptions::default();
    let restart = bench.client.restart(&options, |_| {});
    let (status, second) = tokio::join!(restart, bench.guest(Script::default()));
    assert_eq!(status.unwrap().vm.state, VmState::Running);
    assert_eq!(first.shutdowns(), 1);
    assert_ne!(first.boot.secret, second.boot.secret);
    assert_eq!(bench.status().await.vm.restarts, 0);
}

#[tokio::test]
async fn a_start_while_it_runs_is_done_at_once() {
    let bench = Bench::new().await;
    let _guest = bench.up().await;
    let mut told = Vec::new();
    for cpus in [None, Some(1)] {
        let options = StartOptions {
            cpus,
            ..StartOptions::default()
        };
        let again = bench.client.start(&options, |progress| {
            if let Progress::Stage { message, .. } = progress {
                told.push(message.clone());
            }
        });
        assert_eq!(again.await.unwrap().vm.state, VmState::Running);
    }
    // Sizes that do not count yet are not passed over in silence.
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("coracle restart"), "{told:?}");
    assert!(!bench.driver.has_guest());
}

#[tokio::test]
async fn a_start_during_the_stop_follows_it() {
    let bench = Bench::new().await;
    let stubborn = Script {
        obeys: false,
        ..Script::default()
    };
    let options = StartOptions::default();
    let (started, first) =
        tokio::join!(bench.client.start(&options, |_| {}), bench.guest(stubborn));
    started.unwrap();
    let quit = StopOptions::default();
    let stop = bench.client.stop(&quit, |_| {});
    let start = async {
        first.was_shut_down().await;
        let (started, _) = tokio::join!(bench.client.start(&options, |_| {}), async {
            bench.in_state(VmState::Stopping).await;
            first
                .report(VmEvent::Exited(ExitReason::GuestPoweredOff))
                .await;
            bench.guest(Script::default()).await
        });
        started
    };
    let (stopped, started) = tokio::join!(stop, start);
    stopped.unwrap();
    assert_eq!(started.unwrap().vm.state, VmState::Running);
}

#[tokio::test]
async fn a_stop_while_it_boots_ends_the_start() {
    let bench = Bench::new().await;
    let options = StartOptions::default();
    let start = bench.client.start(&options, |_| {});
    let stop = async {
        until("a VM is started", async || bench.driver.has_guest()).await;
        bench.client.stop(&StopOptions::default(), |_| {}).await
    };
    let (started, stopped) = tokio::join!(start, stop);
    assert_eq!(stopped.unwrap().vm.state, VmState::Stopped);
    assert_eq!(started.unwrap_err().to_api().code, ErrorCode::WrongState);
}

#[tokio::test]
async fn an_engine_that_ends_degrades_until_it_is_back() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    guest.say(AgentEvent::Engine(EngineState::Restarting {
        exits: 1,
        reason: "out of bananas".into(),
    }));
    let status = bench.in_state(VmState::EngineStarting).await;
    assert!(!status.engine.ready);
    assert!(status.engine.note.unwrap().contains("out of bananas"));
    assert!(status.degraded[0].contains("out of bananas"));
    guest.say(AgentEvent::Engine(EngineState::Ready));
    let status = bench.in_state(VmState::Running).await;
    assert!(status.degraded.is_empty() && status.engine.note.is_none());
    assert_eq!(status.vm.restarts, 0);
}

#[tokio::test]
async fn degradations_of_vm_and_guest_are_told() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    guest.report(VmEvent::Degraded("no balloon".into())).await;
    let reasons = vec!["a share is not mounted".into()];
    guest.say(AgentEvent::Degraded { reasons });
    let both = bench.status_when(|status| status.degraded.len() == 2).await;
    assert_eq!(both.degraded, ["no balloon", "a share is not mounted"]);
    // Said again it counts once, and it can end.
    let full = || "the disk is full".to_owned();
    guest.report(VmEvent::Degraded(full())).await;
    guest.report(VmEvent::Degraded(full())).await;
    let three = bench.status_when(|status| status.degraded.len() >= 3).await;
    assert_eq!(three.degraded[1], full());
    guest.report(VmEvent::Recovered(full())).await;
    let again = bench.status_when(|status| status.degraded.len() == 2).await;
    assert_eq!(again.degraded, both.degraded);
}

#[tokio::test]
async fn a_reset_deletes_the_data_disk() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    let disk = bench.paths.data_disk();
    assert!(disk.exists());
    let status = bench.client.reset(|_| {}).await.unwrap();
    assert_eq!(status.vm.state, VmState::Stopped);
    assert_eq!(guest.shutdowns(), 1);
    assert!(!disk.exists());
    bench.client.reset(|_| {}).await.unwrap();
    // What cannot be deleted is told.
    std::fs::create_dir(&disk).unwrap();
    let error = bench.client.reset(|_| {}).await.unwrap_err().to_api();
    assert_eq!(error.code, ErrorCode::Host);
}
