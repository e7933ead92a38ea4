//! One suspension, one resume, and what must hold of each.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live, Program, process};

use crate::images;

/// Suspends; no process of a VM is left.
pub(crate) fn suspend(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["stop"]).ok()?;
    is_suspended(coracle)
}

pub(crate) fn is_suspended(coracle: &Coracle) -> Result<()> {
    let status = coracle.status()?;
    ensure!(status["vm"]["state"] == "suspended", "{status}");
    let home = coracle.paths().home().display().to_string();
    for program in ["qemu-system", "virtiofsd"] {
        let left = process::of_state_named(&home, program);
        ensure!(left.is_empty(), "{program} still runs: {left:?}");
    }
    Ok(())
}

/// Resumes the same guest, without a word of trouble.
pub(crate) fn resume(coracle: &Coracle) -> Result<()> {
    resume_with(coracle, coracle.coracle(["start"]))
}

pub(super) fn resume_with(coracle: &Coracle, start: Program) -> Result<()> {
    let said = start.ok()?.all();
    ensure!(
        said.contains("Resuming") && !said.contains("set aside"),
        "{said}"
    );
    coracle.await_running()?;
    Ok(())
}

/// Tells one boot of the guest from another.
pub(crate) fn boot_id(coracle: &Coracle) -> Result<String> {
    let file = "/proc/sys/kernel/random/boot_id";
    coracle.coracle(["shell", "--", "cat", file]).text()
}

/// Runs the command, kills the daemon in the middle of it, and starts it at once: whatever was done by
/// then, an engine answers. What the daemon had under way with the disk may hold its end up.
pub(crate) fn daemon_killed_after(
    coracle: &Coracle,
    command: &[&str],
    after: Duration,
) -> Result<()> {
    let daemon = coracle.daemon()?;
    let mut running = Live::start(coracle.coracle(command))?;
    thread::sleep(after);
    process::kill(daemon)?;
    running.wait()?;
    let said = coracle.coracle(["start"]).ok()?.all();
    let outcome = if said.contains("Resuming") {
        "resumed"
    } else {
        "booted"
    };
    eprintln!("killed {after:?} after {command:?}: {outcome}");
    coracle.await_running()?;
    coracle
        .docker(["run", "--rm", images::BUSYBOX, "true"])
        .ok()?;
    Ok(())
}
