//! `cold-start`: from nothing to the engine's first answer on the host.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use coracle_vm_harness::{Coracle, process};

use super::debian_guest::{self, DebianGuest, copy_sparse};
use super::figure::{Better, Figure, Quantity, in_turn};
use super::stage::{self, Stage};
use super::{Bench, load};

pub(super) const BENCH: Bench = Bench {
    name: "cold-start",
    about: "Seconds from the command to the first answer of Docker's API (`GET /_ping`) on the \
            host: `coracle start` without a daemon, beside QEMU with an ordinary Debian guest \
            of the same engine under systemd. Both have started once before, and were stopped in order.",
    run,
};

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let base = debian_guest::base()?;
    let coracle = stage.unstarted()?;
    // Formats the data disk, and finds out which accelerator works.
    stage::start(&coracle, None)?;
    let accelerator = accelerator(&coracle)?;
    quit(&coracle)?;
    let peer = DebianGuest::new(base, coracle.home(), &accelerator)?;
    let started = settle(&peer, &coracle)?;

    let ours = || {
        let began = Instant::now();
        let mut start = coracle
            .coracle(["start", "--no-context"])
            .into_command()
            .spawn()?;
        let socket = load::Target::Unix(coracle.paths().engine_socket());
        load::first_answer(&socket, Duration::from_secs(300)).with_context(|| coracle.logs(40))?;
        let took = began.elapsed().as_secs_f64();
        start.wait()?;
        quit(&coracle)?;
        Ok(took)
    };
    let theirs = || {
        peer.renew(Some(&started))?;
        let began = Instant::now();
        let _booted = peer.boot()?;
        peer.await_engine()?;
        Ok(began.elapsed().as_secs_f64())
    };
    let samples = in_turn(
        stage.runs,
        &mut [("ours", Box::new(ours)), ("systemd", Box::new(theirs))],
    )?;
    let [ours, theirs] = <[_; 2]>::try_from(samples).expect("two sides");
    Ok(vec![Figure {
        quantity: Quantity {
            bench: BENCH.name,
            variant: "",
            unit: "s",
            better: Better::Lower,
        },
        ours,
        peer: theirs,
        peer_name: "systemd",
        peer_commands: format!(
            "{}\ncurl http://127.0.0.1:<port>/_ping",
            peer.command_line()
        ),
        goal: 0.6,
    }])
}

/// Boots the peer once, so that its engine has made its folders and keys; the disk as it is
/// then, with everything written.
fn settle(peer: &DebianGuest, coracle: &Coracle) -> Result<std::path::PathBuf> {
    peer.renew(None)?;
    let booted = peer.boot()?;
    peer.await_engine()?;
    // Longer than ext4 keeps what is not written yet.
    std::thread::sleep(Duration::from_secs(35));
    drop(booted);
    let started = coracle.home().join("peer-started.raw");
    copy_sparse(peer.disk(), &started)?;
    // A journal to replay would count against the peer. 1: mended, as it should be.
    let mut check = crate::process::command("e2fsck");
    let status = check.args(["-f", "-y"]).arg(&started).output()?.status;
    anyhow::ensure!(
        status.code().is_some_and(|code| code < 2),
        "e2fsck failed ({status})"
    );
    Ok(started)
}

fn quit(coracle: &Coracle) -> Result<()> {
    coracle
        .coracle(["stop", "--quit", "--shutdown"])
        .ok()
        .map(drop)
}

/// The accelerator's options on the command line of our running QEMU.
fn accelerator(coracle: &Coracle) -> Result<Vec<String>> {
    let home = coracle.paths().home().to_string_lossy().into_owned();
    let id = process::of_state_named(&home, "qemu-system")
        .into_iter()
        .next()
        .context("no QEMU runs")?;
    let line = std::fs::read(format!("/proc/{id}/cmdline"))?;
    let words: Vec<_> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let pairs = words
        .windows(2)
        .filter(|pair| ["-accel", "-cpu"].contains(&pair[0].as_str()));
    Ok(pairs.flatten().cloned().collect())
}
