//! `snapshot`: how long one takes, how long the VM is paused for it, and the way back.

use std::cell::RefCell;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;
use serde_json::Value;

use super::Bench;
use super::figure::{Better, Figure, Quantity, in_turn};
use super::stage::{MEMORY_MIB, Stage};
use super::suspend::{beside_limit, containers_run, run_containers, seconds, started};

pub(super) const BENCH: Bench = Bench {
    name: "snapshot",
    about: "Seconds that `coracle snapshot create` and `coracle snapshot restore` take of a VM with three \
            containers, until these run: beside `stop` and `start`, which keep the same state once, and beside \
            a boot, which starts the containers again. And for how long the VM is paused while one is taken.",
    run,
};

const NAME: &str = "snapshot";

/// Of a pause, in milliseconds: what a client takes for a slow answer and not for a dead server.
const PAUSE_LIMIT: f64 = 1000.0;

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let coracle = started(stage, MEMORY_MIB)?;
    run_containers(&coracle)?;
    let pauses = RefCell::new(Vec::new());
    let take = || {
        let began = Instant::now();
        let pause = taken(&coracle, "bench")?;
        let took = began.elapsed().as_secs_f64();
        pauses.borrow_mut().push(pause);
        containers_run(&coracle, 3)?;
        coracle.coracle(["snapshot", "delete", "bench"]).ok()?;
        Ok(took)
    };
    let stop_and_start = timed(&coracle, &[&["stop"], &["start", "--no-context"]]);
    let restore = || {
        taken(&coracle, "bench")?;
        let took = timed(&coracle, &[&["snapshot", "restore", "--yes", "bench"]])()?;
        coracle.coracle(["snapshot", "delete", "bench"]).ok()?;
        Ok(took)
    };
    let cold = timed(&coracle, &[&["restart", "--no-context"]]);
    let samples = in_turn(
        stage.runs,
        &mut [
            ("taking", Box::new(take)),
            ("stop and start", Box::new(stop_and_start)),
            ("restoring", Box::new(restore)),
            ("cold", Box::new(cold)),
        ],
    )?;
    let [take, stop_and_start, restore, cold] = <[_; 4]>::try_from(samples).expect("four sides");
    let pause = Quantity {
        bench: NAME,
        variant: "pause",
        unit: "ms",
        better: Better::Lower,
    };
    let mut paused = beside_limit(pause, pauses.into_inner(), PAUSE_LIMIT);
    paused.peer_commands = format!("# at most {PAUSE_LIMIT} ms");
    Ok(vec![
        Figure {
            quantity: seconds(NAME, "create"),
            ours: take,
            peer: stop_and_start,
            peer_name: "stop-start",
            peer_commands: "coracle stop\ncoracle start".into(),
            goal: 1.0,
        },
        paused,
        Figure {
            quantity: seconds(NAME, "restore"),
            ours: restore,
            peer: cold,
            peer_name: "cold",
            peer_commands: "coracle restart".into(),
            goal: 0.3,
        },
    ])
}

/// How long commands take until the containers run, in seconds.
fn timed<'a>(coracle: &'a Coracle, commands: &'a [&[&str]]) -> impl FnMut() -> Result<f64> + 'a {
    move || {
        let began = Instant::now();
        for command in commands {
            coracle.coracle(command.iter()).ok()?;
        }
        containers_run(coracle, 3)?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// Takes one; the pause in milliseconds.
fn taken(coracle: &Coracle, name: &str) -> Result<f64> {
    let taken = coracle
        .coracle(["snapshot", "create", name, "--json"])
        .text()?;
    let last: Value = serde_json::from_str(taken.lines().last().context("it said nothing")?)?;
    let pause = last["snapshot"]["pause_ms"].as_f64();
    let pause = pause.with_context(|| format!("no pause in {last}"))?;
    ensure!(pause > 0.0, "no pause at all");
    Ok(pause)
}
