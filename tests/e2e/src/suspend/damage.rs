use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;
use nix::unistd::{Whence, lseek};

use super::cycle::{boot_id, resume, suspend};
use crate::images;
use crate::skips::Skip;
use crate::suite::contains;
use crate::synced::{check_synced, write_synced};

pub(super) fn no_room_for_the_memory(coracle: &Coracle) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Skip("only root can give a folder a small file system".into()).into());
    }
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    let folder = coracle.paths().memory_dir();
    let mount = coracle.program("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(&folder)
        .ok()?;
    let stopped = coracle.coracle(["stop"]).run();
    let running = coracle.await_running();
    coracle.program("umount").arg(&folder).ok()?;
    let stopped = stopped?;
    running?;
    ensure!(stopped.status.code() == Some(10), "{}", stopped.all());
    let said = stopped.all();
    contains(
        &said,
        &["no room", &folder.display().to_string(), "--shutdown"],
    )?;
    let state = coracle
        .docker(["inspect", "--format", "{{.State.Running}}", &id])
        .text()?;
    ensure!(state == "true", "the container has ended");
    suspend(coracle)?;
    resume(coracle)
}

/// One byte, in the middle of what the guest had in memory.
pub(super) fn damaged_memory_is_set_aside(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "damage")?;
    let boot = boot_id(coracle)?;
    suspend(coracle)?;
    let memory = coracle.paths().memory_dir().join("memory");
    let file = OpenOptions::new().read(true).write(true).open(&memory)?;
    let middle = file.metadata()?.len() as i64 / 2;
    let at = lseek(&file, middle, Whence::SeekData)? as u64 + 100;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[!byte[0]], at)?;
    let said = coracle.coracle(["start"]).ok()?.all();
    contains(&said, &["damaged", "set aside", "boots from its data disk"])?;
    coracle.await_running()?;
    ensure!(boot_id(coracle)? != boot, "it was resumed");
    check_synced(coracle, "damage", &word)
}

pub(super) fn another_shape_is_set_aside(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "shape")?;
    suspend(coracle)?;
    let said = coracle.coracle(["start", "--memory", "2560"]).ok()?.all();
    contains(&said, &["2560", "3072", "set aside"])?;
    let status = coracle.await_running()?;
    ensure!(status["vm"]["memory_mib"] == 2560, "{status}");
    check_synced(coracle, "shape", &word)?;
    // And back again, by a stop that sees the change beforehand.
    coracle
        .coracle(["config", "set", "vm.memory_mib", "3072"])
        .ok()?;
    let said = coracle.coracle(["stop"]).ok()?.all();
    contains(&said, &["settings have changed"])?;
    ensure!(coracle.status()?["vm"]["state"] == "stopped");
    coracle.coracle(["start"]).ok()?;
    coracle.await_running()?;
    check_synced(coracle, "shape", &word)
}
