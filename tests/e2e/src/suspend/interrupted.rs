use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, process};

use super::cycle::{check_synced, is_suspended, resume, write_synced};
use crate::images;

pub(super) fn stop_again_while_it_suspends(coracle: &Coracle) -> Result<()> {
    images::busybox(coracle)?;
    let mut stops = [
        Live::start(coracle.coracle(["stop"]))?,
        Live::start(coracle.coracle(["stop"]))?,
    ];
    for stop in &mut stops {
        let status = stop.wait()?;
        ensure!(status.success(), "a stop ended with {status}");
    }
    is_suspended(coracle)?;
    resume(coracle)
}

pub(super) fn hypervisor_killed_while_it_suspends(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "killed")?;
    let home = coracle.paths().home().display().to_string();
    let hypervisor = process::of_state_named(&home, "qemu-system");
    let mut stop = Live::start(coracle.coracle(["stop"]))?;
    let part = coracle.paths().memory_dir().join("memory.part");
    coracle_vm_harness::eventually("memory on its way to the disk", || {
        part.metadata().map(drop).context("no such file yet")
    })?;
    for id in hypervisor {
        process::kill(id)?;
    }
    let status = stop.wait()?;
    ensure!(!status.success(), "the stop knows of nothing");
    // Without a hand.
    coracle.await_running()?;
    check_synced(coracle, "killed", &word)
}
