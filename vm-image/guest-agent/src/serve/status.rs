//! The guest at this moment.

use std::fs;
use std::path::Path;

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
        engine_refused: guest.engine_refused.get().cloned(),
        degraded: guest.degraded.sentences(),
        image_version: guest.image_version.clone(),
        uptime_ms: clock::uptime().as_millis() as u64,
        memory_total: memory_bytes(&memory, "MemTotal"),
        memory_available: memory_bytes(&memory, "MemAvailable"),
        data_total,
        data_used,
        network_bytes: network_bytes(Path::new("/sys/class/net")),
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

/// What has gone over the interfaces that have a device, and so lead out of the guest.
fn network_bytes(interfaces: &Path) -> u64 {
    let read = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let Ok(interfaces) = fs::read_dir(interfaces) else {
        return 0;
    };
    interfaces
        .flatten()
        .map(|entry| entry.path())
        .filter(|interface| interface.join("device").exists())
        .flat_map(|interface| {
            ["rx_bytes", "tx_bytes"].map(|way| interface.join("statistics").join(way))
        })
        .filter_map(|file| read(&file))
        .sum()
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

    #[test]
    fn what_stays_in_the_guest_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        for (name, device) in [("eth0", true), ("docker0", false)] {
            let interface = folder.path().join(name);
            fs::create_dir_all(interface.join("statistics")).unwrap();
            for (way, bytes) in [("rx_bytes", "700\n"), ("tx_bytes", "30\n")] {
                fs::write(interface.join("statistics").join(way), bytes).unwrap();
            }
            if device {
                fs::create_dir(interface.join("device")).unwrap();
            }
        }
        assert_eq!(network_bytes(folder.path()), 730);
        assert_eq!(network_bytes(&folder.path().join("none")), 0);
    }
}
