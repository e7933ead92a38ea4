//! What a container takes of processors, memory, disk and network, second by second.

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use coracle_daemon_api::ApiError;
use futures::{Stream, StreamExt, future};
use serde::Serialize;

use super::{Engine, failed};

/// What a container takes during one second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Usage {
    /// Per cent of one processor.
    pub(crate) cpu_percent: f64,
    /// Without files that are only kept in memory because there is room.
    pub(crate) memory_bytes: u64,
    /// What it may have; all of the VM's where it has no limit.
    pub(crate) memory_limit_bytes: u64,
    /// Read from disks, bytes a second.
    pub(crate) disk_read: f64,
    /// Written to disks, bytes a second.
    pub(crate) disk_written: f64,
    /// Received from networks, bytes a second.
    pub(crate) received: f64,
    /// Sent to networks, bytes a second.
    pub(crate) sent: f64,
}

/// What a container has used since it began.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    cpu_ns: u64,
    /// Of the VM, in all its processors, idle or not: the VM's own clock, which stands still with it.
    all_ns: u64,
    processors: u32,
    disk_read: u64,
    disk_written: u64,
    received: u64,
    sent: u64,
}

impl Engine {
    /// What a container takes, about once a second, until it ends. This is use to the VM, which does not fall
    /// asleep meanwhile.
    pub(crate) fn usage(
        &self,
        container: &str,
    ) -> Result<impl Stream<Item = Result<Usage, ApiError>> + use<>, ApiError> {
        let options = StatsOptionsBuilder::default().stream(true).build();
        let stats = self.docker()?.stats(container, Some(options));
        let mut before = None;
        Ok(stats.filter_map(move |stats| {
            let usage = match stats {
                Ok(stats) => usage(&stats, &mut before).map(Ok),
                Err(error) => Some(Err(failed(error))),
            };
            future::ready(usage)
        }))
    }
}

/// None where there is nothing to compare with yet, or where the container has ended.
fn usage(stats: &ContainerStatsResponse, before: &mut Option<Counters>) -> Option<Usage> {
    let now = counters(stats)?;
    let before = before.replace(now)?;
    let all_ns = now.all_ns.checked_sub(before.all_ns).filter(|ns| *ns > 0)?;
    let processors = f64::from(now.processors.max(1));
    #[expect(clippy::cast_precision_loss, reason = "a difference of one second")]
    let grown = |from: u64, to: u64| to.saturating_sub(from) as f64;
    let seconds = grown(0, all_ns) / processors / 1e9;
    let memory = stats.memory_stats.clone().unwrap_or_default();
    let details = memory.stats.unwrap_or_default();
    // Its name of cgroup v1 is there for engines of old kernels.
    let cached = details
        .get("inactive_file")
        .or_else(|| details.get("total_inactive_file"));
    Some(Usage {
        cpu_percent: grown(before.cpu_ns, now.cpu_ns) / grown(0, all_ns) * processors * 100.0,
        memory_bytes: memory.usage?.saturating_sub(cached.copied().unwrap_or(0)),
        memory_limit_bytes: memory.limit.unwrap_or(0),
        disk_read: grown(before.disk_read, now.disk_read) / seconds,
        disk_written: grown(before.disk_written, now.disk_written) / seconds,
        received: grown(before.received, now.received) / seconds,
        sent: grown(before.sent, now.sent) / seconds,
    })
}

fn counters(stats: &ContainerStatsResponse) -> Option<Counters> {
    let cpu = stats.cpu_stats.as_ref()?;
    let mut counters = Counters {
        cpu_ns: cpu.cpu_usage.as_ref()?.total_usage?,
        all_ns: cpu.system_cpu_usage?,
        processors: cpu.online_cpus.unwrap_or(1),
        ..Counters::default()
    };
    let disks = stats.blkio_stats.as_ref();
    let disks = disks.and_then(|disks| disks.io_service_bytes_recursive.as_ref());
    // The numbers are the guest's: a sum that is too large stays at the largest.
    let add = |sum: &mut u64, value| *sum = sum.saturating_add(value);
    for entry in disks.into_iter().flatten() {
        let value = entry.value.unwrap_or(0);
        match entry.op.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("read") => add(&mut counters.disk_read, value),
            Some("write") => add(&mut counters.disk_written, value),
            _ => {}
        }
    }
    for network in stats.networks.iter().flat_map(|networks| networks.values()) {
        add(&mut counters.received, network.rx_bytes.unwrap_or(0));
        add(&mut counters.sent, network.tx_bytes.unwrap_or(0));
    }
    Some(counters)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stats(cpu_ns: u64, all_ns: u64, read: u64, sent: u64) -> ContainerStatsResponse {
        serde_json::from_value(json!({
            "cpu_stats": {
                "cpu_usage": { "total_usage": cpu_ns }, "system_cpu_usage": all_ns, "online_cpus": 2,
            },
            "memory_stats": { "usage": 900, "limit": 5000, "stats": { "inactive_file": 300 } },
            "blkio_stats": { "io_service_bytes_recursive": [{ "op": "read", "value": read }] },
            "networks": { "eth0": { "rx_bytes": 0, "tx_bytes": sent } },
        }))
        .unwrap()
    }

    #[test]
    fn a_second_is_the_difference_of_two_looks() {
        let mut before = None;
        assert_eq!(usage(&stats(1_000, 1_000, 0, 10), &mut before), None);
        // Half a second of work on one of two processors in two seconds.
        let next = stats(500_001_000, 4_000_001_000, 4096, 30);
        let found = usage(&next, &mut before).unwrap();
        assert!((found.cpu_percent - 25.0).abs() < 0.001, "{found:?}");
        assert_eq!((found.memory_bytes, found.memory_limit_bytes), (600, 5000));
        assert!((found.disk_read - 2048.0).abs() < 0.001, "{found:?}");
        assert!((found.sent - 10.0).abs() < 0.001, "{found:?}");
        // A clock that stands still gives no number.
        assert_eq!(usage(&next, &mut before), None);
    }

    #[test]
    fn counters_that_cannot_be_are_no_reason_to_end() {
        let disk = json!({ "op": "Read", "value": u64::MAX });
        let network = json!({ "rx_bytes": u64::MAX, "tx_bytes": u64::MAX });
        let stats = serde_json::from_value(json!({
            "cpu_stats": { "cpu_usage": { "total_usage": 1 }, "system_cpu_usage": 1 },
            "blkio_stats": { "io_service_bytes_recursive": [disk, disk] },
            "networks": { "eth0": network, "eth1": network },
        }))
        .unwrap();
        let found = counters(&stats).unwrap();
        assert_eq!((found.disk_read, found.sent), (u64::MAX, u64::MAX));
    }

    #[test]
    fn a_container_that_has_ended_uses_nothing() {
        let empty = serde_json::from_value(json!({ "cpu_stats": {}, "memory_stats": {} })).unwrap();
        assert_eq!(usage(&empty, &mut None), None);
    }
}
