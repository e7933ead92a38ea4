//! Layers of disks that no QEMU has open, by `qemu-img`. Why: `docs/adr/0010-snapshots.md`.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use coracle_host_paths::find_program;
use coracle_vm_driver::{DriverError, Layers, Tags};
use serde::Deserialize;

use crate::QemuDriver;
use crate::command_line::text;
use crate::host::cause;
use crate::process::{Process, Program};

#[async_trait]
impl Layers for QemuDriver {
    async fn create(&self, disk: &Path, layer: &Path) -> Result<(), DriverError> {
        // By its name alone, so that the folder of both can be moved.
        let below = disk.file_name().unwrap_or(OsStr::new(disk));
        let args = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"];
        self.qemu_img(&args, &[Path::new(below), layer])
            .await
            .map(drop)
    }

    async fn grow(&self, layer: &Path, bytes: u64) -> Result<(), DriverError> {
        let bytes = bytes.to_string();
        let args = ["resize", "-q", "-f", "qcow2"];
        let paths = [layer, Path::new(&bytes)];
        self.qemu_img(&args, &paths).await.map(drop)
    }

    async fn tags(&self, layer: &Path) -> Result<Tags, DriverError> {
        // Without a lock of its own, since a VM may have it.
        let args = ["info", "-U", "--output=json", "-f", "qcow2"];
        tags(&self.qemu_img(&args, &[layer]).await?)
    }

    async fn revert(&self, layer: &Path, tag: &str) -> Result<(), DriverError> {
        let args = ["snapshot", "-q", "-a", tag];
        self.qemu_img(&args, &[layer]).await.map(drop)
    }

    async fn keep(&self, layer: &Path, tags: &Tags) -> Result<(), DriverError> {
        for tag in self.tags(layer).await?.difference(tags) {
            let args = ["snapshot", "-q", "-d", tag];
            self.qemu_img(&args, &[layer]).await?;
        }
        Ok(())
    }

    async fn merge(&self, layer: &Path) -> Result<(), DriverError> {
        // Not emptied: it goes as a whole.
        let args = ["commit", "-q", "-d", "-f", "qcow2"];
        self.qemu_img(&args, &[layer]).await.map(drop)
    }
}

/// Whether the program is there.
pub(crate) fn are_possible() -> bool {
    find_program("qemu-img").is_some()
}

impl QemuDriver {
    /// Runs it to its end; what it has printed. It does not outlive us.
    async fn qemu_img(&self, args: &[&str], paths: &[&Path]) -> Result<String, DriverError> {
        let path = find_program("qemu-img").ok_or_else(|| {
            let why = "qemu-img is not installed: install the package qemu-utils";
            DriverError::Missing(why.into())
        })?;
        let mut all: Vec<String> = args.iter().map(|&word| word.into()).collect();
        for path in paths {
            all.push(text(path)?.into());
        }
        // Several may run at once.
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let log = self.state_dir.join(format!("qemu-img.{run}.log"));
        let failed = |source| DriverError::Io {
            context: format!("qemu-img {} failed", args[0]),
            source,
        };
        let program = Program {
            path,
            args: all,
            inherit: Vec::new(),
            log: log.clone(),
        };
        let process = Process::spawn(program).await.map_err(failed)?;
        let status = process.wait().await;
        let words = process.last_words();
        let printed = fs::read_to_string(&log).map_err(failed)?;
        let _ = fs::remove_file(&log);
        match status.success() {
            true => Ok(printed),
            false => Err(failed(cause(&words))),
        }
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    snapshots: Vec<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    name: String,
}

fn tags(printed: &str) -> Result<Tags, DriverError> {
    let info: Info = serde_json::from_str(printed).map_err(|error| DriverError::Io {
        context: "what qemu-img tells of the disk was not understood".into(),
        source: error.into(),
    })?;
    Ok(info.snapshots.into_iter().map(|kept| kept.name).collect())
}

#[cfg(test)]
mod tests;
