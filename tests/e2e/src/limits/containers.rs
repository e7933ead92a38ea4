use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use coracle_vm_harness::{Coracle, eventually, http};

use super::footprint::Footprint;
use crate::{images, suite};

/// Serves the container's own name at `/hostname`.
const SERVICE: [&str; 6] = ["httpd", "-f", "-p", "80", "-h", "/etc"];

/// How many clients of the engine work at once.
const CLIENTS: usize = 4;

pub(super) fn many_at_once_with_a_port_each(coracle: &Coracle) -> Result<()> {
    let containers = suite::times(20, 200);
    let image = images::busybox(coracle)?;
    run(coracle, image, 2)?;
    coracle.remove_containers()?;
    let before = Footprint::of(coracle)?;
    let ids = run(coracle, image, containers)?;
    let with = Footprint::of(coracle)?;
    ensure!(
        with.listeners() >= before.listeners() + containers,
        "only {} ports are open",
        with.listeners()
    );
    let mut ports = BTreeSet::new();
    for id in &ids {
        let address = coracle.docker(["port", id, "80"]).text()?;
        let name = eventually("the container's answer", || {
            let answer = http::get(&address, "/hostname")?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(answer.text())
        })?;
        ensure!(
            id.starts_with(name.trim()),
            "{address} leads to {name} and not to {id}"
        );
        ports.insert(address);
    }
    ensure!(ports.len() == containers, "some share a port: {ports:?}");
    coracle.remove_containers()?;
    let after = before.await_return(coracle)?;
    eprintln!("before {containers}: {before}; with them: {with}; after: {after}");
    Ok(())
}

/// Starts containers, several at a time; returns their ids.
fn run(coracle: &Coracle, image: &str, many: usize) -> Result<Vec<String>> {
    let ids = Mutex::new(Vec::new());
    in_turns(many, |_| {
        let options = ["--publish", "127.0.0.1::80", image];
        let id = coracle.background([&options[..], &SERVICE].concat())?;
        let mut ids = ids.lock().map_err(|_| anyhow!("a client panicked"))?;
        ids.push(id);
        Ok(())
    })?;
    ids.into_inner().context("a client panicked")
}

/// Does something so many times, several clients at once; each is told which client it is.
pub(crate) fn in_turns(times: usize, act: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let act = &act;
    let work = |client: usize| {
        (client..times)
            .step_by(CLIENTS)
            .try_for_each(|_| act(client))
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || work(client)))
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

pub(super) fn started_and_stopped_many_times(coracle: &Coracle) -> Result<()> {
    let cycles = suite::times(50, 1000);
    let image = images::busybox(coracle)?;
    let publish = [
        "--publish",
        "127.0.0.1::80",
        "--publish",
        "127.0.0.1::81/udp",
    ];
    let mut ids = Vec::new();
    for _ in 0..CLIENTS {
        ids.push(coracle.background([&publish[..], &[image], &SERVICE].concat())?);
    }
    let cycle = |client: usize| -> Result<()> {
        let id = &ids[client];
        coracle.docker(["stop", "--time", "0", id]).ok()?;
        coracle.docker(["start", id]).ok()?;
        let address = coracle.docker(["port", id, "80"]).text()?;
        eventually("the container's answer", || {
            let answer = http::get(&address, "/hostname")?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(())
        })
    };
    // What is taken once for good is not a leak.
    in_turns(2 * CLIENTS, cycle)?;
    let before = Footprint::of(coracle)?;
    in_turns(cycles, cycle)?;
    let after = before.await_return(coracle)?;
    eprintln!("before {cycles} cycles: {before}; after: {after}");
    Ok(())
}
