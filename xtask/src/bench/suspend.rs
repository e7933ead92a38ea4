//! `resume` and `suspend`: a start that goes on beside one that boots, and the way to the disk.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::figure::{Better, Figure, Quantity, in_turn};
use super::stage::{CPUS, MEMORY_MIB, Stage};
use super::{Bench, load};
use crate::samples;

pub(super) const RESUME: Bench = Bench {
    name: "resume",
    about: "Seconds from `coracle start` to the first answer of Docker's API (`GET /_ping`) on the \
            host, with three containers: from suspend, where they ran, beside a boot of the same VM, \
            which starts them again. The daemon runs in both; between suspend and resume no QEMU does.",
    run: resume,
};

pub(super) const SUSPEND: Bench = Bench {
    name: "suspend",
    about: "Seconds that `coracle stop` takes for a VM of 4 GiB in which a container holds 1 GiB \
            of random bytes. The peer is the limit that we set ourselves.",
    run: suspend,
};

/// To the first answer after a suspension, in seconds.
const RESUME_LIMIT: f64 = 1.5;

/// Of a suspension, in seconds.
const SUSPEND_LIMIT: f64 = 5.0;

pub(super) const IMAGE: &str = "coracle-sample/busybox";

fn resume(stage: &Stage) -> Result<Vec<Figure>> {
    let coracle = started(stage, MEMORY_MIB)?;
    run_containers(&coracle)?;
    let ours = || {
        stop(&coracle, &[])?;
        let took = first_answer(&coracle)?;
        containers_run(&coracle, 3)?;
        Ok(took)
    };
    let cold = || {
        stop(&coracle, &["--shutdown"])?;
        let took = first_answer(&coracle)?;
        containers_run(&coracle, 3)?;
        Ok(took)
    };
    let samples = in_turn(
        stage.runs,
        &mut [("ours", Box::new(ours)), ("cold", Box::new(cold))],
    )?;
    let [ours, cold] = <[_; 2]>::try_from(samples).expect("two sides");
    Ok(vec![
        Figure {
            quantity: seconds(RESUME.name, ""),
            ours: ours.clone(),
            peer: cold,
            peer_name: "cold",
            peer_commands: "coracle stop --shutdown\ncoracle start".into(),
            goal: 0.1,
        },
        beside_limit(seconds(RESUME.name, "limit"), ours, RESUME_LIMIT),
    ])
}

fn suspend(stage: &Stage) -> Result<Vec<Figure>> {
    let coracle = started(stage, 4096)?;
    let fill = "head -c 1073741824 /dev/urandom >/dev/shm/fill && echo filled && sleep 100000";
    let run = [
        "--name",
        "fill",
        "--shm-size",
        "1100m",
        IMAGE,
        "sh",
        "-c",
        fill,
    ];
    coracle.background(run)?;
    coracle.await_log("fill", "filled")?;
    let written = Cell::new(0);
    let sample = || {
        let took = stop(&coracle, &[])?;
        let memory = coracle.paths().memory_dir().join("memory");
        use std::os::unix::fs::MetadataExt;
        written.set(std::fs::metadata(memory)?.blocks() * 512);
        ensure!(
            written.get() > 1 << 30,
            "only {} bytes were saved",
            written.get()
        );
        coracle.coracle(["start", "--no-context"]).ok()?;
        Ok(took)
    };
    let samples = in_turn(stage.runs, &mut [("ours", Box::new(sample))])?;
    let [ours] = <[_; 1]>::try_from(samples).expect("one side");
    eprintln!("bench: the memory takes {} MiB", written.get() >> 20);
    Ok(vec![beside_limit(
        seconds(SUSPEND.name, ""),
        ours,
        SUSPEND_LIMIT,
    )])
}

pub(super) fn beside_limit(quantity: Quantity, ours: Vec<f64>, limit: f64) -> Figure {
    Figure {
        quantity,
        peer: vec![limit; ours.len()],
        ours,
        peer_name: "limit",
        peer_commands: format!("# at most {limit} s"),
        goal: 1.0,
    }
}

pub(super) fn seconds(bench: &'static str, variant: &'static str) -> Quantity {
    Quantity {
        bench,
        variant,
        unit: "s",
        better: Better::Lower,
    }
}

/// A Coracle of its own that runs, with the image.
pub(super) fn started(stage: &Stage, memory_mib: u32) -> Result<Coracle> {
    samples::run(&samples::Options::default())?;
    let coracle = stage.unstarted()?;
    coracle
        .coracle(["start", "--no-context"])
        .args(["--memory", &memory_mib.to_string()])
        .args(["--cpus", &CPUS.to_string()])
        .ok()
        .with_context(|| coracle.logs(40))?;
    coracle.load("busybox.tar", IMAGE)?;
    Ok(coracle)
}

/// Stops it; how long that took, in seconds. No hypervisor is left.
fn stop(coracle: &Coracle, options: &[&str]) -> Result<f64> {
    let began = Instant::now();
    coracle.coracle(["stop"]).args(options).ok()?;
    let took = began.elapsed().as_secs_f64();
    let home = coracle.paths().home().to_string_lossy().into_owned();
    let left = process::of_state_named(&home, "qemu-system");
    ensure!(left.is_empty(), "QEMU still runs: {left:?}");
    Ok(took)
}

/// Starts it; how long the first answer took, in seconds.
fn first_answer(coracle: &Coracle) -> Result<f64> {
    let began = Instant::now();
    let mut start = coracle
        .coracle(["start", "--no-context"])
        .into_command()
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let socket = load::Target::Unix(coracle.paths().engine_socket());
    load::first_answer(&socket, Duration::from_secs(300)).with_context(|| coracle.logs(40))?;
    let took = began.elapsed().as_secs_f64();
    start.wait()?;
    Ok(took)
}

/// Three that count, and are started again when they end.
pub(super) fn run_containers(coracle: &Coracle) -> Result<()> {
    for number in 1..=3 {
        let name = format!("c{number}");
        let count = "i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.2; done";
        let run = ["--name", &name, "--restart", "always", IMAGE];
        coracle.background(run.into_iter().chain(["sh", "-c", count]))?;
    }
    Ok(())
}

pub(super) fn containers_run(coracle: &Coracle, wanted: usize) -> Result<()> {
    eventually("running containers", || {
        let running = coracle.docker(["ps", "--quiet"]).text()?;
        let count = running.lines().count();
        ensure!(count == wanted, "{count} of {wanted} run");
        Ok(())
    })
}
