//! The end of the VM, in order and bounded in time.

use std::convert::Infallible;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::guest::Guest;
use crate::{data_disk, power_button, shares};

/// How long the processes that are left may take after SIGTERM.
const LAST_PROCESSES: Duration = Duration::from_secs(2);

/// Returns when the VM is asked to end: by the daemon, by SIGTERM or Ctrl-Alt-Del, by the
/// power button.
pub(crate) async fn requested(guest: &Guest) -> std::io::Result<()> {
    // Ctrl-Alt-Del becomes a SIGINT instead of a reset.
    if let Err(error) = set_cad_enabled(false) {
        tracing::warn!("Ctrl-Alt-Del stays a reset: {error}");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut keys = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = guest.power_off.notified() => tracing::info!("the daemon asks for the end"),
        _ = terminate.recv() => tracing::info!("SIGTERM asks for the end"),
        _ = keys.recv() => tracing::info!("Ctrl-Alt-Del asks for the end"),
        () = power_button::pressed() => tracing::info!("the power button asks for the end"),
    }
    Ok(())
}

/// Ends what is left after the engine, unmounts, switches off.
pub(crate) async fn off(guest: &Guest) -> Result<Infallible, nix::Error> {
    end_processes().await;
    let paths = guest.share_paths();
    let unmounted = tokio::task::spawn_blocking(move || {
        for path in &paths {
            shares::detach(path);
        }
        data_disk::detach();
        nix::unistd::sync();
    });
    // A share whose server has died may block: what was written to the disk is on it by then or never.
    if tokio::time::timeout(Duration::from_secs(10), unmounted)
        .await
        .is_err()
    {
        tracing::error!("the file systems were not unmounted in time");
    }
    tracing::info!("the guest is off");
    reboot(RebootMode::RB_POWER_OFF)
}

async fn end_processes() {
    // PID 1 itself is spared by the kernel.
    let everyone = Pid::from_raw(-1);
    if kill(everyone, Signal::SIGTERM).is_err() {
        return;
    }
    let gone = async {
        while kill(everyone, None).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(LAST_PROCESSES, gone).await.is_err() {
        let _ = kill(everyone, Signal::SIGKILL);
    }
}
