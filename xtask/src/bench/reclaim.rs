//! `reclaim`: what the VM takes from the host before a load, at its peak and after it.

use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use coracle_vm_harness::Coracle;

use super::Bench;
use super::figure::{Better, Figure, Quantity};
use super::stage::Stage;
use crate::samples;

pub(super) const BENCH: Bench = Bench {
    name: "reclaim",
    about: "MB of the host's memory and disk that the VM takes 30 s after a container that held 512 MiB \
            of memory and a volume with 512 MiB were removed, beside what it took at the peak and \
            before; then what it takes after `coracle reclaim`. Memory is what `coracle status` says, the guest's and that of the \
            processes around it, disk the blocks of the data disk's file.",
    run,
};

const IMAGE: &str = "coracle-sample/busybox";

/// A name of one letter would be a drive to the docker command.
const VOLUME: &str = "load:/v";

/// From the end of the load to the look at what is left of it.
const AFTER: Duration = Duration::from_secs(30);

/// Holds both until it is killed.
const LOAD: &str = "head -c 536870912 /dev/urandom >/dev/shm/fill
    cp /dev/shm/fill /v/fill && sync && echo filled && sleep 100000";

/// In MB.
#[derive(Clone, Copy)]
struct Taken {
    memory: f64,
    disk: f64,
}

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    samples::run(&samples::Options::default())?;
    let coracle = stage.running()?;
    coracle.load("busybox.tar", IMAGE)?;
    // What a first container leaves behind is not the load's.
    cycle(coracle)?;
    let mut cycles = Vec::new();
    for _ in 0..stage.runs {
        cycles.push(cycle(coracle)?);
    }
    let figures = |[later, told]: [&'static str; 2], measure: fn(&Taken) -> f64| {
        let of = |index: usize| {
            let samples = cycles.iter().map(|cycle| measure(&cycle[index]));
            samples.collect::<Vec<f64>>()
        };
        let [before, peak, after, reclaimed] = [0, 1, 2, 3].map(of);
        [
            beside(later, after.clone(), "peak", peak, 0.75),
            beside(later, after.clone(), "before", before, 1.25),
            beside(told, reclaimed, "30 s after", after, 1.0),
        ]
    };
    let memory = ["memory, 30 s after", "memory, after the command"];
    let disk = ["disk, 30 s after", "disk, after the command"];
    let memory = figures(memory, |taken| taken.memory);
    Ok(memory
        .into_iter()
        .chain(figures(disk, |taken| taken.disk))
        .collect())
}

fn beside(
    variant: &'static str,
    ours: Vec<f64>,
    peer_name: &'static str,
    peer: Vec<f64>,
    goal: f64,
) -> Figure {
    Figure {
        quantity: Quantity {
            bench: BENCH.name,
            variant,
            unit: "MB",
            better: Better::Lower,
        },
        ours,
        peer,
        peer_name,
        peer_commands: COMMANDS.into(),
        goal,
    }
}

const COMMANDS: &str = "docker run --volume load:/v --shm-size 600m … # before, and the peak
docker rm --force; docker volume rm load # 30 s after
coracle reclaim # after the command";

/// Before, at the peak, 30 s after it, after the command.
fn cycle(coracle: &Coracle) -> Result<[Taken; 4]> {
    let before = taken(coracle)?;
    let run = ["--name", "fill", "--volume", VOLUME, "--shm-size", "600m"];
    coracle.background(run.into_iter().chain([IMAGE, "sh", "-c", LOAD]))?;
    coracle.await_log("fill", "filled")?;
    let peak = taken(coracle)?;
    coracle.docker(["rm", "--force", "fill"]).ok()?;
    coracle.docker(["volume", "rm", "load"]).ok()?;
    thread::sleep(AFTER);
    let after = taken(coracle)?;
    coracle.coracle(["reclaim"]).ok()?;
    Ok([before, peak, after, taken(coracle)?])
}

fn taken(coracle: &Coracle) -> Result<Taken> {
    let status = coracle.status()?;
    let memory = status["vm"]["usage"]["resident_bytes"].as_f64();
    let disk = std::fs::metadata(coracle.paths().data_disk())?.blocks() * 512;
    Ok(Taken {
        memory: memory.with_context(|| format!("no memory in {status}"))? / 1e6,
        disk: disk as f64 / 1e6,
    })
}
