//! What processes take from the host, from `/proc`.

use std::fs;

use nix::unistd::{Pid, SysconfVar, sysconf};

use coracle_vm_driver::VmUsage;

/// The sum over these processes and what they have forked, without shared memory: of the guest's, pages count that no
/// process has mapped yet, so it is the owner's to add. Processes that are gone count nothing.
pub(crate) fn of(pids: impl IntoIterator<Item = Pid>) -> VmUsage {
    let ticks_per_second = ticks_per_second();
    let mut usage = VmUsage::default();
    let mut open: Vec<_> = pids.into_iter().map(Pid::as_raw).collect();
    while let Some(pid) = open.pop() {
        usage.resident_bytes += resident_bytes(pid);
        usage.cpu_ms += read(pid, "stat")
            .and_then(|stat| cpu_ticks(&stat))
            .map_or(0, |ticks| ticks * 1000 / ticks_per_second);
        // virtiofsd forks once, from its main thread.
        let children = read(pid, &format!("task/{pid}/children")).unwrap_or_default();
        open.extend(children.split_whitespace().flat_map(str::parse::<i32>));
    }
    usage
}

fn read(pid: i32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

/// The proportional share of programs and libraries, and what is its own.
fn resident_bytes(pid: i32) -> u64 {
    let proportional = read(pid, "smaps_rollup").and_then(|rollup| proportional_kib(&rollup));
    // A process that has changed its credentials hides its maps; leave what it shares to the others.
    let own = || read(pid, "statm").and_then(|statm| unshared_pages(&statm));
    match proportional {
        Some(kib) => kib << 10,
        None => own().unwrap_or(0) * page_size(),
    }
}

fn proportional_kib(rollup: &str) -> Option<u64> {
    let field = |name| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(field("Pss_Anon:")? + field("Pss_File:")?)
}

fn unshared_pages(statm: &str) -> Option<u64> {
    let mut fields = statm.split_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

fn ticks_per_second() -> u64 {
    known(sysconf(SysconfVar::CLK_TCK), 100)
}

fn page_size() -> u64 {
    known(sysconf(SysconfVar::PAGE_SIZE), 4096)
}

fn known(value: nix::Result<Option<i64>>, usual: u64) -> u64 {
    let value = value.ok().flatten();
    value
        .and_then(|value| value.try_into().ok())
        .unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_formats() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 9 0 0 0 250 150 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(400));
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
        let rollup = "Pss:  9999 kB\nPss_Anon:   1200 kB\nPss_File:  34 kB\nPss_Shmem: 8765 kB\n";
        assert_eq!(proportional_kib(rollup), Some(1234));
        assert_eq!(proportional_kib(""), None);
        assert_eq!(unshared_pages("900 300 100 1 0 5 0"), Some(200));
    }

    #[test]
    fn this_process_takes_something_and_a_missing_one_nothing() {
        assert!(of([Pid::this()]).resident_bytes > 1 << 16);
        assert_eq!(of([Pid::from_raw(i32::MAX)]), VmUsage::default());
    }
}
