use std::fmt;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

/// What the VM takes from the host, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    pub(super) memory: u64,
    pub(super) disk: u64,
}

impl Taken {
    pub(super) fn of(coracle: &Coracle) -> Result<Self> {
        let status = coracle.status()?;
        let memory = status["vm"]["usage"]["resident_bytes"].as_u64();
        let file = coracle.paths().data_disk();
        let disk = std::fs::metadata(&file)?.blocks();
        // There is none without snapshots.
        let layer = std::fs::metadata(file.with_extension("qcow2"));
        let layer = layer.map_or(0, |layer| layer.blocks());
        Ok(Self {
            memory: memory.with_context(|| format!("no memory in {status}"))?,
            disk: (disk + layer) * 512,
        })
    }

    /// Waits until what is taken, by this measure, is at most `bytes`.
    pub(super) fn await_at_most(
        coracle: &Coracle,
        measure: fn(Self) -> u64,
        bytes: u64,
    ) -> Result<()> {
        eventually("what was taken to come back", || {
            let now = Self::of(coracle)?;
            let most = bytes >> 20;
            ensure!(measure(now) <= bytes, "{now}; {most} MiB are expected");
            Ok(())
        })
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (memory, disk) = (self.memory >> 20, self.disk >> 20);
        write!(f, "{memory} MiB of memory, {disk} MiB of disk")
    }
}
