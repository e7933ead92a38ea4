use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Program};
use nix::unistd::{Whence, lseek};

use super::{clear, names, restore, take};
use crate::images;
use crate::skips::Skip;
use crate::suite::contains;
use crate::suspend::{boot_id, resume, suspend};

/// What is refused with this exit code, and these words.
fn refused(program: Program, code: i32, words: &[&str]) -> Result<()> {
    let outcome = program.run()?;
    ensure!(outcome.status.code() == Some(code), "{}", outcome.all());
    contains(&outcome.all(), words)
}

/// The VM that there is goes on.
fn goes_on(coracle: &Coracle, boot: &str, container: &str) -> Result<()> {
    ensure!(boot_id(coracle)? == boot, "the guest was booted anew");
    let running = ["inspect", "--format", "{{.State.Running}}", container];
    ensure!(coracle.docker(running).text()? == "true", "it has ended");
    Ok(())
}

fn snapshot(coracle: &Coracle, words: &[&str]) -> Program {
    coracle.coracle(["snapshot"]).args(words)
}

pub(super) fn wrong_names(coracle: &Coracle) -> Result<()> {
    clear(coracle)?;
    let boot = boot_id(coracle)?;
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    for name in ["a/b", "../a", ".part", "", "a b"] {
        let create = snapshot(coracle, &["create", name]);
        refused(create, 3, &["letters, digits"])?;
    }
    refused(
        snapshot(coracle, &["delete", "a/b"]),
        3,
        &["letters, digits"],
    )?;
    for verb in ["restore", "delete"] {
        refused(
            snapshot(coracle, &[verb, "gone"]),
            5,
            &["no snapshot gone", "snapshot list"],
        )?;
    }
    take(coracle, "there")?;
    let again = snapshot(coracle, &["create", "there"]);
    refused(again, 4, &["already", "snapshot delete there"])?;
    // Nobody can be asked.
    refused(
        snapshot(coracle, &["restore", "there"]),
        3,
        &["--yes", "lost"],
    )?;
    goes_on(coracle, &boot, &id)?;
    suspend(coracle)?;
    refused(
        snapshot(coracle, &["create", "asleep"]),
        4,
        &["coracle start"],
    )?;
    resume(coracle)?;
    ensure!(names(coracle)? == ["there"]);
    clear(coracle)
}

pub(super) fn no_room(coracle: &Coracle) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Skip("only root can give a folder a small file system".into()).into());
    }
    let boot = boot_id(coracle)?;
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    let folder = coracle.paths().snapshots_dir();
    let mount = coracle.program("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(&folder)
        .ok()?;
    let tried = refused(
        snapshot(coracle, &["create", "big"]),
        10,
        &["no room", "free some space"],
    );
    coracle.program("umount").arg(&folder).ok()?;
    tried?;
    ensure!(names(coracle)?.is_empty());
    goes_on(coracle, &boot, &id)
}

/// One byte, in the middle of what the guest had in memory.
pub(super) fn damaged_memory(coracle: &Coracle) -> Result<()> {
    let boot = boot_id(coracle)?;
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    take(coracle, "whole")?;
    take(coracle, "broken")?;
    let folder = coracle.paths().snapshots_dir().join("broken");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.join("memory"))?;
    let middle = file.metadata()?.len() as i64 / 2;
    let at = lseek(&file, middle, Whence::SeekData)? as u64 + 100;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[!byte[0]], at)?;
    let back = || snapshot(coracle, &["restore", "--yes", "broken"]);
    refused(
        back(),
        4,
        &["damaged", "Nothing was changed", "snapshot delete broken"],
    )?;
    std::fs::write(folder.join("snapshot.json"), "{")?;
    refused(back(), 4, &["damaged", "snapshot delete broken"])?;
    let listed = snapshot(coracle, &["list"]).text()?;
    contains(&listed, &["broken", "damaged"])?;
    goes_on(coracle, &boot, &id)?;
    restore(coracle, "whole")?;
    goes_on(coracle, &boot, &id)?;
    clear(coracle)
}

pub(super) fn another_shape(coracle: &Coracle) -> Result<()> {
    take(coracle, "shape")?;
    let boot = boot_id(coracle)?;
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    let set = |mib| {
        coracle
            .coracle(["config", "set", "vm.memory_mib", mib])
            .ok()
    };
    set("2560")?;
    let back = snapshot(coracle, &["restore", "--yes", "shape"]);
    let words = ["2560", "3072", "put that back", "Nothing was changed"];
    let tried = refused(back, 4, &words);
    // Nor is one taken of a VM that the settings do not fit.
    let taken = refused(
        snapshot(coracle, &["create", "odd"]),
        4,
        &["coracle restart"],
    );
    set("3072")?;
    tried?;
    taken?;
    goes_on(coracle, &boot, &id)?;
    restore(coracle, "shape")?;
    coracle.docker(["inspect", &id]).refused()?;
    clear(coracle)
}
