//! A data disk as a power cut leaves it, looked at without a VM.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Outcome, Program};

use super::load::VOLUME;
use super::record::Files;

/// What e2fsck may say of a disk that was in use and has no damage: the journal, files that were deleted or
/// truncated while open, a mark that the file system is mounted, which is in its first super block alone, the sum.
const IN_USE: [&str; 7] = [
    "recovering journal",
    "orphaned inode",
    "features different from backup, check forced",
    "Feature orphan_present is set but orphan file is clean",
    "CLEARED.",
    ": clean, ",
    "% non-contiguous",
];

/// Brings it in order as the guest does at its start, and fails unless it needs no more than that and is whole
/// then.
pub(super) fn check(disk: &Path) -> Result<()> {
    let first = tool("e2fsck").arg("-p").arg(disk).run()?;
    let said = first.all();
    let is_damage = |line: &str| !line.is_empty() && !IN_USE.iter().any(|part| line.contains(part));
    ensure!(
        matches!(first.status.code(), Some(0 | 1)) && !said.lines().any(is_damage),
        "{}\n{said}",
        first.status
    );
    tool("e2fsck").arg("-fn").arg(disk).ok().map(drop)
}

/// The records on a disk that was [checked](check).
pub(super) fn records(disk: &Path) -> Result<Files> {
    let folder = tempfile::tempdir()?;
    let from = format!("/docker/volumes/{VOLUME}/_data");
    let dump = format!("rdump {from} {}", folder.path().display());
    // It ends well whatever happened: a file that it could not read is missing.
    tool("debugfs").args(["-R", &dump]).arg(disk).ok()?;
    let mut files = Files::new();
    for file in fs::read_dir(folder.path().join("_data"))
        .into_iter()
        .flatten()
    {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read(file.path())?);
    }
    Ok(files)
}

/// A copy that takes no more room than is used.
pub(super) fn copy(disk: &Path, to: PathBuf) -> Result<PathBuf> {
    let copy = Program::new("cp").args(["--sparse=always", "--reflink=auto"]);
    let _: Outcome = copy.args([disk, &to]).ok()?;
    Ok(to)
}

/// Where users without rights have no program on their `PATH`.
fn tool(name: &str) -> Program {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    Program::new(name).env("PATH", path).env("LC_ALL", "C")
}
