use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live, patience, process};

use super::cycle::{daemon_killed_after, is_suspended, resume, suspend};
use crate::synced::{check_synced, write_synced};
use crate::{dice, images, suite};

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
    dice::with(|dice| {
        for _ in 0..suite::times(1, 10) {
            let word = write_synced(coracle, "killed")?;
            let after = dice.moment(Duration::from_secs(3));
            daemon_killed_after(coracle, &["stop"], after)?;
            check_synced(coracle, "killed", &word)?;
        }
        Ok(())
    })
}

pub(super) fn daemon_killed_while_it_resumes(coracle: &Coracle) -> Result<()> {
    dice::with(|dice| {
        for _ in 0..suite::times(1, 10) {
            suspend(coracle)?;
            let after = dice.moment(Duration::from_secs(2));
            daemon_killed_after(coracle, &["start"], after)?;
        }
        Ok(())
    })
}
