//! `daemon-idle`: what the daemon takes while its VM runs and nobody asks for anything.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::figure::{Better, Figure, Quantity};
use super::stage::Stage;

pub(super) const BENCH: Bench = Bench {
    name: "daemon-idle",
    about: "The host daemon beside its running VM with nothing to do: processor time in percent \
            of one core, and resident memory. The peer is the limit that we set ourselves.",
    run,
};

/// Highest share of a core, in percent.
const CPU_LIMIT: f64 = 0.5;

/// Most resident memory, in MB.
const MEMORY_LIMIT: f64 = 40.0;

/// Time after the start, so that what it set off has ended.
const SETTLE: Duration = Duration::from_secs(10);

/// Length of one sample.
const SAMPLE: Duration = Duration::from_secs(8);

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let daemon = stage.running()?.daemon()?;
    thread::sleep(SETTLE);
    let (mut percent, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..stage.runs {
        let (began, before) = (Instant::now(), processor_time(daemon)?);
        thread::sleep(SAMPLE);
        let spent = processor_time(daemon)?.saturating_sub(before);
        percent.push(100.0 * spent.as_secs_f64() / began.elapsed().as_secs_f64());
        resident.push(coracle_vm_harness::process::resident(daemon)? as f64 / 1e6);
    }
    let beside_limit = |variant, unit, ours: Vec<f64>, limit| Figure {
        quantity: Quantity {
            bench: BENCH.name,
            variant,
            unit,
            better: Better::Lower,
        },
        peer: vec![limit; ours.len()],
        ours,
        peer_name: "limit",
        peer_commands: format!(
            "# at most {CPU_LIMIT} % of a core, at most {MEMORY_LIMIT} MB resident"
        ),
        goal: 1.0,
    };
    Ok(vec![
        beside_limit("processor", "% of a core", percent, CPU_LIMIT),
        beside_limit("memory", "MB", resident, MEMORY_LIMIT),
    ])
}

/// Of all its threads since it began. Nanoseconds, unlike the ticks of `/proc/<id>/stat`;
/// threads that have ended since are missing.
pub(super) fn processor_time(id: u32) -> Result<Duration> {
    let mut total = 0;
    let tasks = format!("/proc/{id}/task");
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        total += text
            .split(' ')
            .next()
            .and_then(|first| first.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}
