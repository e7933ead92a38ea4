//! Suspending and resuming, with a driver that can.

use std::fs;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use coracle_daemon_api::{ErrorCode, Progress, StartOptions, Status, StopOptions, VmState};
use coracled::Claim;
use tokio::sync::mpsc;

use crate::bench::{Bench, until};
use crate::guest::{Script, Token};

async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.driver.suspends();
    bench
}

async fn stop(bench: &Bench) -> Result<Status, coracle_daemon_api::ClientError> {
    bench.client.stop(&StopOptions::default(), |_| {}).await
}

/// Up and suspended.
async fn suspended(bench: &Bench) -> Token {
    let guest = bench.up().await;
    let (status, token) = tokio::join!(stop(bench), guest.suspended());
    assert_eq!(status.unwrap().vm.state, VmState::Suspended);
    assert_eq!(guest.shutdowns(), 0);
    token
}

/// Starts; what the client is told, and the status.
async fn start(bench: &Bench, options: &StartOptions) -> (String, Status) {
    let mut said = String::new();
    let status = bench
        .client
        .start(options, |progress| {
            if let Progress::Stage { message, .. } = progress {
                said += message;
                said += "\n";
            }
        })
        .await
        .unwrap();
    (said, status)
}

#[tokio::test]
async fn a_stop_suspends_and_a_start_goes_on() {
    let bench = bench().await;
    for _ in 0..2 {
        let token = match bench.paths.memory_dir().join("memory.json").exists() {
            false => suspended(&bench).await,
            true => panic!("it was not consumed"),
        };
        assert!(
            bench.paths.config_disk().exists(),
            "its secret is still needed"
        );
        let again = stop(&bench).await.unwrap();
        assert_eq!(again.vm.state, VmState::Suspended);
        let options = StartOptions::default();
        let ((said, status), guest) = tokio::join!(start(&bench, &options), bench.woken(token));
        assert!(said.contains("Resuming"), "{said}");
        assert_eq!(status.vm.state, VmState::Running);
        assert!(guest.told_ns().await > 0);
        let shut = StopOptions {
            shutdown: true,
            ..StopOptions::default()
        };
        let status = bench.client.stop(&shut, |_| {}).await.unwrap();
        assert_eq!(status.vm.state, VmState::Stopped);
        assert_eq!(guest.shutdowns(), 1);
    }
}

/// What is wrong is mended, and the VM goes on where it was.
#[tokio::test]
async fn a_start_that_cannot_begin_leaves_the_vm_suspended() {
    let bench = bench().await;
    let token = suspended(&bench).await;
    let image = bench.options.image_dir.clone();
    let away = image.with_extension("away");
    fs::rename(&image, &away).unwrap();
    let none = StartOptions::default();
    let error = bench.client.start(&none, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("image"), "{error}");
    assert_eq!(bench.status().await.vm.state, VmState::Suspended);
    fs::rename(&away, &image).unwrap();
    let ((said, status), _guest) = tokio::join!(start(&bench, &none), bench.woken(token));
    assert!(said.contains("Resuming"), "{said}");
    assert_eq!(status.vm.state, VmState::Running);
}

#[tokio::test]
async fn another_daemon_resumes_and_tells_its_time() {
    let mut bench = bench().await;
    let guest = bench.up().await;
    let options = StopOptions {
        quit: true,
        ..StopOptions::default()
    };
    let (stopped, token) = tokio::join!(bench.client.stop(&options, |_| {}), guest.suspended());
    assert_eq!(stopped.unwrap().vm.state, VmState::Suspended);
    bench.ended().await.unwrap();
    drop(guest);

    let mut options = bench.options.clone();
    options.clock.offset_s = -3600;
    let claim = Claim::take(bench.paths.clone()).unwrap();
    let (signals, asked) = mpsc::channel(4);
    let daemon = tokio::spawn(coracled::run(claim, options, asked));
    until("the daemon answers", async || {
        bench.client.hello().await.is_ok()
    })
    .await;
    assert_eq!(bench.status().await.vm.state, VmState::Suspended);
    let none = StartOptions::default();
    let ((_, status), guest) = tokio::join!(start(&bench, &none), bench.woken(token));
    assert_eq!(status.vm.state, VmState::Running);
    let told = guest.told_ns().await / 1_000_000_000;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!((now - 3660..now - 3590).contains(&told), "{told} at {now}");
    signals.send(()).await.unwrap();
    guest.suspended().await;
    daemon.await.unwrap().unwrap();
    assert!(bench.paths.memory_dir().join("memory.json").exists());
}

#[tokio::test]
async fn a_memory_that_cannot_be_written_leaves_the_vm_as_it_was() {
    let bench = bench().await;
    let guest = bench.up().await;
    bench.driver.fail_save(true);
    let error = stop(&bench).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    bench.in_state(VmState::Running).await;
    assert!(!bench.driver.has_guest(), "it is another VM");
    assert_eq!(fs::read_dir(bench.paths.memory_dir()).unwrap().count(), 0);
    bench.driver.fail_save(false);
    let (status, token) = tokio::join!(stop(&bench), async { guest.suspended().await });
    assert_eq!(status.unwrap().vm.state, VmState::Suspended);
    let none = StartOptions::default();
    let ((_, status), _guest) = tokio::join!(start(&bench, &none), bench.woken(token));
    assert_eq!(status.vm.state, VmState::Running);
}

#[tokio::test]
async fn what_does_not_fit_is_set_aside_and_the_vm_boots() {
    let bench = bench().await;
    let folder = bench.paths.memory_dir();
    let damage = || fs::write(folder.join("memory"), "damaged").unwrap();
    let cut = || fs::write(folder.join("memory.json"), "{").unwrap();
    let written = || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let disk = fs::File::options()
            .write(true)
            .open(bench.paths.data_disk());
        disk.unwrap().write_all(b"newer").unwrap();
    };
    let none = StartOptions::default();
    let other = StartOptions {
        memory_mib: Some(3000),
        ..StartOptions::default()
    };
    let cases: [(&dyn Fn(), &StartOptions, &str); 4] = [
        (&damage, &none, "damaged"),
        (&cut, &none, "damaged"),
        (&written, &none, "data disk is not the one"),
        (&|| {}, &other, "3000"),
    ];
    for (harm, options, why) in cases {
        suspended(&bench).await;
        harm();
        let ((said, status), guest) =
            tokio::join!(start(&bench, options), bench.guest(Script::default()));
        assert!(said.contains(why) && said.contains("set aside"), "{said}");
        assert_eq!(status.vm.state, VmState::Running);
        assert!(folder.join("aside").exists() && !folder.join("memory.json").exists());
        let shut = StopOptions {
            shutdown: true,
            ..StopOptions::default()
        };
        bench.client.stop(&shut, |_| {}).await.unwrap();
        drop(guest);
    }
}

#[tokio::test]
async fn changed_settings_make_a_stop_a_shutdown() {
    let bench = bench().await;
    let guest = bench.up().await;
    let change = coracle_daemon_api::SettingChange {
        key: "vm.cpus".into(),
        value: 1.into(),
    };
    bench.client.change(&[change]).await.unwrap();
    assert_eq!(bench.status().await.vm.changed_settings, ["vm.cpus"]);
    refused(&bench, "its settings have changed").await;
    let status = stop(&bench).await.unwrap();
    assert_eq!((status.vm.state, guest.shutdowns()), (VmState::Stopped, 1));
    assert_eq!(
        status.vm.cannot_suspend, None,
        "there is nothing to suspend"
    );
    assert!(
        status.vm.changed_settings.is_empty(),
        "the next start has them"
    );
}

/// The status says that a stop would be a shutdown, and who wants nothing but a suspension is refused.
async fn refused(bench: &Bench, why: &str) {
    let told = bench.status().await.vm.cannot_suspend.unwrap_or_default();
    assert!(told.contains(why), "{told}");
    let options = StopOptions {
        suspend_only: true,
        ..StopOptions::default()
    };
    let error = bench.client.stop(&options, |_| {}).await.unwrap_err();
    assert_eq!(error.to_api().code, ErrorCode::WrongState);
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(bench.status().await.vm.state, VmState::Running);
}

/// Those of the same machine too, and they are told no more when they are taken back.
#[tokio::test]
async fn what_a_vm_takes_up_at_its_next_start_is_told() {
    let bench = bench().await;
    let guest = bench.up().await;
    let change = async |key: &str, value: serde_json::Value| {
        let key = key.to_owned();
        let change = coracle_daemon_api::SettingChange { key, value };
        bench.client.change(&[change]).await.unwrap();
        bench.status().await.vm
    };
    let vm = change("idle.pause_after_s", 0.into()).await;
    assert!(vm.changed_settings.is_empty(), "it has it at once");
    let vm = change("files.ignored", serde_json::json!(["target/"])).await;
    assert_eq!(vm.changed_settings, ["files.ignored"]);
    assert_eq!(vm.cannot_suspend, None, "the machine is the same");
    let vm = change("vm.cpus", 1.into()).await;
    assert_eq!(vm.changed_settings, ["vm.cpus", "files.ignored"]);
    change("vm.cpus", serde_json::Value::Null).await;
    let vm = change("files.ignored", serde_json::Value::Null).await;
    assert!(vm.changed_settings.is_empty());
    let options = StopOptions {
        suspend_only: true,
        ..StopOptions::default()
    };
    let (stopped, _) = tokio::join!(bench.client.stop(&options, |_| {}), guest.suspended());
    assert_eq!(stopped.unwrap().vm.state, VmState::Suspended);
}

#[tokio::test]
async fn a_signal_after_a_clients_word_is_no_impatience() {
    let mut bench = bench().await;
    let guest = bench.up().await;
    let quit = StopOptions {
        quit: true,
        ..StopOptions::default()
    };
    let as_a_session_ends = async {
        bench.in_state(VmState::Stopping).await;
        bench.terminate().await;
        // It is read before the guest has left.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        guest.suspended().await
    };
    let (stopped, _) = tokio::join!(bench.client.stop(&quit, |_| {}), as_a_session_ends);
    assert_eq!(stopped.unwrap().vm.state, VmState::Suspended);
    bench.ended().await.unwrap();
}

#[tokio::test]
async fn a_replaced_image_makes_a_stop_a_shutdown() {
    let bench = bench().await;
    let guest = bench.up().await;
    assert_eq!(bench.status().await.vm.cannot_suspend, None);
    bench.replace_image();
    refused(&bench, "its image was replaced").await;
    let status = stop(&bench).await.unwrap();
    assert_eq!((status.vm.state, guest.shutdowns()), (VmState::Stopped, 1));
}

#[tokio::test]
async fn a_reset_and_a_restart_take_the_memory_away() {
    let bench = bench().await;
    suspended(&bench).await;
    let none = StartOptions::default();
    let (status, guest) = tokio::join!(
        bench.client.restart(&none, |_| {}),
        bench.guest(Script::default())
    );
    assert_eq!(status.unwrap().vm.state, VmState::Running);
    let (status, _) = tokio::join!(stop(&bench), guest.suspended());
    assert_eq!(status.unwrap().vm.state, VmState::Suspended);
    let status = bench.client.reset(|_| {}).await.unwrap();
    assert_eq!(status.vm.state, VmState::Stopped);
    assert!(!bench.paths.data_disk().exists() && !bench.paths.config_disk().exists());
    assert_eq!(fs::read_dir(bench.paths.memory_dir()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stop_while_it_resumes_waits_for_what_runs_in_it() {
    let bench = bench().await;
    let token = suspended(&bench).await;
    let none = StartOptions::default();
    let starting = bench.client.start(&none, |_| {});
    let stopping = async {
        until("a VM is resumed", async || bench.driver.has_guest()).await;
        let stopping = stop(&bench);
        let guest = async {
            bench.in_state(VmState::Stopping).await;
            let guest = bench.woken(token).await;
            guest.suspended().await;
            guest
        };
        tokio::join!(stopping, guest)
    };
    let (started, (stopped, _guest)) = tokio::join!(starting, stopping);
    assert_eq!(stopped.unwrap().vm.state, VmState::Suspended);
    assert!(started.is_err(), "it was never up for its client");
}
