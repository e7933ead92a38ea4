use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually, patience, process};

use super::cycle::{is_suspended, resume, suspend};
use crate::synced::{check_synced, write_synced};
use crate::{images, suite};

pub(super) fn stop_again_while_it_suspends(coracle: &Coracle) -> Result<()> {
    images::busybox(coracle)?;
    let mut stops = [
        Live::start(coracle.coracle(["stop"]))?,
        Live::start(coracle.coracle(["stop"]))?,
    ];
    for stop in &mut stops {
        let status = stop.wait()?;
        ensure!(status.success(), "a stop ended with {status}");
    }
    is_suspended(coracle)?;
    resume(coracle)
}

/// Their clients are told, the engine is whole, and both can be had again.
pub(super) fn suspended_during_a_load_and_a_build(coracle: &Coracle) -> Result<()> {
    images::busybox(coracle)?;
    let folder = coracle.work("suspended-build")?;
    let steps = format!(
        "FROM {}\nRUN sleep 20 && echo built >/word\n",
        images::BUSYBOX
    );
    fs::write(folder.join("Dockerfile"), steps)?;
    let build = || {
        coracle
            .docker(["build", "--tag", "suspended-build"])
            .arg(&folder)
    };
    let archive = coracle.places().samples.join("debian-trixie-slim.tar");
    let load = || coracle.docker(["load", "--input"]).arg(&archive);
    let mut building = Live::start(build())?;
    building.line(|line| line.contains("sleep 20"))?;
    let mut loading = Live::start(load())?;
    thread::sleep(Duration::from_millis(300));
    suspend(coracle)?;
    ensure!(!building.wait()?.success(), "the build knows of nothing");
    let loaded = loading.wait()?;
    resume(coracle)?;
    eprintln!("the load ended with {loaded}");
    build().ok()?;
    load().ok()?;
    coracle
        .docker(["run", "--rm", "suspended-build", "cat", "/word"])
        .ok()?;
    coracle.docker(["image", "rm", "suspended-build"]).ok()?;
    Ok(())
}

pub(super) fn hypervisor_killed_while_it_suspends(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "killed")?;
    let home = coracle.paths().home().display().to_string();
    let hypervisor = process::of_state_named(&home, "qemu-system");
    let mut stop = Live::start(coracle.coracle(["stop"]))?;
    let part = coracle.paths().memory_dir().join("memory.part");
    // It is on its way for half a second.
    let begun = Instant::now();
    while !part.exists() {
        ensure!(begun.elapsed() < patience(), "no memory is on its way");
        thread::sleep(Duration::from_millis(1));
    }
    for id in hypervisor {
        process::kill(id)?;
    }
    if stop.wait()?.success() {
        // It had done its part, and the rest was saved without it.
        is_suspended(coracle)?;
        resume(coracle)?;
    } else {
        // Without a hand.
        coracle.await_running()?;
    }
    check_synced(coracle, "killed", &word)
}

pub(super) fn daemon_killed_while_it_suspends(coracle: &Coracle) -> Result<()> {
    for moment in 0..suite::times(2, 10) {
        killed_after(
            coracle,
            "stop",
            Duration::from_millis(400 * moment as u64 + 100),
        )?;
    }
    Ok(())
}

pub(super) fn daemon_killed_while_it_resumes(coracle: &Coracle) -> Result<()> {
    for moment in 0..suite::times(2, 10) {
        suspend(coracle)?;
        killed_after(
            coracle,
            "start",
            Duration::from_millis(300 * moment as u64 + 50),
        )?;
    }
    Ok(())
}

/// Whatever was saved by then, the next start gives an engine with everything that was synced.
fn killed_after(coracle: &Coracle, verb: &str, after: Duration) -> Result<()> {
    let word = match verb {
        "stop" => Some(write_synced(coracle, "killed")?),
        _ => None,
    };
    let daemon = coracle.daemon()?;
    let mut command = Live::start(coracle.coracle([verb]))?;
    thread::sleep(after);
    process::kill(daemon)?;
    command.wait()?;
    // What it had under way with the disk holds it up, and its socket with it.
    eventually("the end of the daemon", || {
        ensure!(!process::is_alive(daemon), "{daemon} still runs");
        Ok(())
    })?;
    let said = coracle.coracle(["start"]).ok()?.all();
    eprintln!("killed {after:?} after the {verb}: {}", outcome(&said));
    coracle.await_running()?;
    if let Some(word) = word {
        check_synced(coracle, "killed", &word)?;
    }
    coracle
        .docker(["run", "--rm", images::BUSYBOX, "true"])
        .ok()?;
    Ok(())
}

fn outcome(said: &str) -> &str {
    match said.contains("Resuming") {
        true => "resumed",
        false => "booted",
    }
}
