//! One suspension, one resume, and what must hold of each.

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Program, process};

use crate::images;

/// Suspends; no process of a VM is left.
pub(super) fn suspend(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["stop"]).ok()?;
    is_suspended(coracle)
}

pub(super) fn is_suspended(coracle: &Coracle) -> Result<()> {
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
pub(super) fn resume(coracle: &Coracle) -> Result<()> {
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
pub(super) fn boot_id(coracle: &Coracle) -> Result<String> {
    let file = "/proc/sys/kernel/random/boot_id";
    coracle.coracle(["shell", "--", "cat", file]).text()
}

/// A word on a volume, synced; to be there whatever happens to the VM.
pub(super) fn write_synced(coracle: &Coracle, volume: &str) -> Result<String> {
    let image = images::busybox(coracle)?;
    let mount = format!("{volume}:/kept");
    let script = "cat /proc/sys/kernel/random/uuid >/kept/word && sync && cat /kept/word";
    coracle
        .docker(["run", "--rm", "--volume", &mount, image, "sh", "-c", script])
        .text()
}

pub(super) fn check_synced(coracle: &Coracle, volume: &str, word: &str) -> Result<()> {
    let mount = format!("{volume}:/kept");
    let run = ["run", "--rm", "--volume", &mount, images::BUSYBOX];
    let found = coracle.docker(run).args(["cat", "/kept/word"]).text()?;
    ensure!(found == word, "the volume has {found:?}, not {word:?}");
    Ok(())
}
