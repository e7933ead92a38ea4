//! Programs that see another file system than the rest of the host.

use std::path::PathBuf;

use anyhow::Result;
use coracle_vm_harness::{Coracle, Program};

use crate::skips::Skip;

/// `/bin/sh -c script` in a mount namespace of its own, as its root.
pub(super) fn shell(coracle: &Coracle, script: &str) -> Result<Program> {
    let enter = || {
        coracle
            .program("unshare")
            .args(["--map-root-user", "--mount", "--propagation", "private"])
    };
    if !enter()
        .arg("true")
        .run()
        .is_ok_and(|ran| ran.status.success())
    {
        return Err(Skip("this user may not make a mount namespace".into()).into());
    }
    let script = format!("set -e\n{script}");
    Ok(enter().args(["sh", "-c", &script]))
}

/// Shell commands that hide every program of this name.
pub(super) fn hide(coracle: &Coracle, name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = [
        "/usr/local/bin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/libexec",
        "/usr/lib/qemu",
    ];
    let mut files: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(system.map(PathBuf::from))
        .chain([coracle.places().tools.join("bin")])
        .filter_map(|folder| folder.join(name).canonicalize().ok())
        .collect();
    files.sort();
    files.dedup();
    files
        .iter()
        .map(|file| format!("mount --bind /dev/null '{}'\n", file.display()))
        .collect()
}
