//! What the guest can do without goes back to the host at once.
//!
//! Most of it goes by itself: the kernel tells the hypervisor of free memory in pieces of 128 KiB every
//! two seconds, and the file system tells the disk of freed blocks at each commit. What stays is what
//! was read and may be read again, free memory in smaller pieces, and blocks that were freed while nobody
//! told of them.

use std::{fs, io};

use crate::reaper::Reaper;
use crate::{command, data_disk};

/// Why something was not given back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReclaimError {
    /// The kernel did not take an order.
    #[error("the guest's kernel could not free memory: {0}")]
    Memory(#[source] io::Error),
    /// The data disk was not told of its free blocks.
    #[error("the data disk could not give its free blocks back: {0}")]
    Disk(String),
}

/// Drops what can be read again, puts free memory together, tells the data disk of every free block.
pub(crate) async fn reclaim(reaper: &Reaper) -> Result<(), ReclaimError> {
    let freed = tokio::task::spawn_blocking(free_memory).await;
    freed
        .unwrap_or_else(|error| Err(error.into()))
        .map_err(ReclaimError::Memory)?;
    let mut trim = command::program("/usr/sbin/fstrim");
    let output = command::output(reaper, trim.arg(data_disk::MOUNT)).await;
    let output = output.map_err(|error| ReclaimError::Disk(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(ReclaimError::Disk(output.text)),
    }
}

fn free_memory() -> io::Result<()> {
    // What is not written yet cannot be dropped.
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    fs::write("/proc/sys/vm/compact_memory", "1")
}
