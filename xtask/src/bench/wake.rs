//! `wake`: the first byte back from a VM that nobody used.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, patience};

use super::Bench;
use super::figure::{Figure, in_turn};
use super::stage::{MEMORY_MIB, Stage};
use super::suspend::{IMAGE, beside_limit, containers_run, run_containers, seconds, started};

pub(super) const BENCH: Bench = Bench {
    name: "wake",
    about: "Seconds from a connection to a published port of a container to the first byte of its answer, \
            while the VM sleeps and three more containers run. `asleep`: its processors stand still, beside the same \
            request to the VM awake. `suspended`: its memory is on the disk, beside the limit that we set ourselves.",
    run,
};

/// Of a sleeping VM beside one that is awake: it is let go on, and its clock is set meanwhile.
const ASLEEP_GOAL: f64 = 10.0;

/// Of a suspended one, in seconds.
const SUSPENDED_LIMIT: f64 = 1.5;

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let coracle = started(stage, MEMORY_MIB)?;
    let serve = ["httpd", "-f", "-p", "80", "-h", "/etc"];
    let run = ["--name", "page", "--publish", "127.0.0.1::80", IMAGE];
    coracle.background(run.into_iter().chain(serve))?;
    let address = coracle.docker(["port", "page", "80"]).text()?;
    run_containers(&coracle)?;
    containers_run(&coracle, 4)?;
    set(&coracle, "idle.cpu_percent", "100")?;
    let asleep = || {
        set(&coracle, "idle.suspend_after_s", "0")?;
        set(&coracle, "idle.pause_after_s", "1")?;
        until(&coracle, "running")?;
        first_byte(&address)
    };
    let awake = || {
        set(&coracle, "idle.pause_after_s", "0")?;
        first_byte(&address)?;
        first_byte(&address)
    };
    let suspended = || {
        set(&coracle, "idle.suspend_after_s", "1")?;
        set(&coracle, "idle.pause_after_s", "1")?;
        until(&coracle, "suspended")?;
        let took = first_byte(&address)?;
        coracle.await_running()?;
        containers_run(&coracle, 4)?;
        Ok(took)
    };
    let samples = in_turn(
        stage.runs,
        &mut [
            ("asleep", Box::new(asleep)),
            ("awake", Box::new(awake)),
            ("suspended", Box::new(suspended)),
        ],
    )?;
    let [asleep, awake, suspended] = <[_; 3]>::try_from(samples).expect("three sides");
    Ok(vec![
        Figure {
            quantity: seconds(BENCH.name, "asleep"),
            ours: asleep,
            peer: awake,
            peer_name: "awake",
            peer_commands: "coracle config set idle.pause_after_s 0".into(),
            goal: ASLEEP_GOAL,
        },
        beside_limit(seconds(BENCH.name, "suspended"), suspended, SUSPENDED_LIMIT),
    ])
}

fn set(coracle: &Coracle, key: &str, value: &str) -> Result<()> {
    coracle
        .coracle(["config", "set", key, value])
        .ok()
        .map(drop)
}

/// Waits until the VM sleeps in this state.
fn until(coracle: &Coracle, state: &str) -> Result<()> {
    eventually("a VM that sleeps", || {
        let status = coracle.status()?;
        let vm = &status["vm"];
        ensure!(vm["asleep"] == true && vm["state"] == state, "{vm}");
        Ok(())
    })?;
    // Whatever the host still has to do for it.
    std::thread::sleep(Duration::from_millis(500));
    Ok(())
}

/// How long the first byte of a page takes, in seconds.
fn first_byte(address: &str) -> Result<f64> {
    let began = Instant::now();
    let mut client =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    client.set_read_timeout(Some(patience()))?;
    client.write_all(b"GET /hostname HTTP/1.0\r\n\r\n")?;
    let mut first = [0];
    client.read_exact(&mut first)?;
    Ok(began.elapsed().as_secs_f64())
}
