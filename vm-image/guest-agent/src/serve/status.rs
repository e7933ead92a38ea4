//! The guest at this moment.

use std::fs;

use coracle_guest_api::status::AgentStatus;
use nix::sys::statvfs::statvfs;

use crate::guest::Guest;
use crate::{clock, data_disk};

/// Gathers the status. What cannot be read is 0 or empty.
pub(super) fn status(guest: &Guest) -> AgentStatus {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let (data_total, data_used) = data_space();
    AgentStatus {
        engine: guest.engine.borrow().clone(),
        degraded: guest.degraded.sentences(),
        image_version: guest.image_version.clone(),
        uptime_ms: clock::uptime().as_millis() as u64,
        memory_total: memory_bytes(&memory, "MemTotal"),
        memory_available: memory_bytes(&memory, "MemAvailable"),
        data_total,
        data_used,
        shares: guest.share_paths(),
    }
}

/// Size and used part of the data disk's file system, in bytes; 0 while it is not mounted.
fn data_space() -> (u64, u64) {
    let mounted = fs::read_to_string("/proc/self/mounts").is_ok_and(|all| {
        all.lines()
            .any(|line| line.split(' ').nth(1) == Some(data_disk::MOUNT))
    });
    match statvfs(data_disk::MOUNT) {
        Ok(found) if mounted => {
            let blocks = |count: u64| count * found.fragment_size();
            (
                blocks(found.blocks()),
                blocks(found.blocks().saturating_sub(found.blocks_free())),
            )
        }
        _ => (0, 0),
    }
}

/// A line of `/proc/meminfo`, in bytes.
fn memory_bytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(':')?
                .trim()
                .strip_suffix(" kB")
        })
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_file_is_understood() {
        let memory = "MemTotal:        2014560 kB\nMemFree:  1 kB\nMemAvailable:    1500000 kB\n";
        assert_eq!(memory_bytes(memory, "MemTotal"), 2_014_560 << 10);
        assert_eq!(memory_bytes(memory, "MemAvailable"), 1_500_000 << 10);
        assert_eq!(memory_bytes(memory, "Mem"), 0);
    }
}
