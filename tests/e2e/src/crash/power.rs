//! The power cut, at random moments under load.
//!
//! A VM's disk is empty at its first start, so the log of its writes since then is all of it. A cut leaves
//! what was written up to a flush, and of what was written after it any part. A record's sync was over when
//! its container said so; the log has the flush of that sync by then, so each disk of a later flush must hold the
//! record.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::record::{self, Synced};
use super::recorder::Recorder;
use super::write_log::WriteLog;
use super::{disk, load};
use crate::dice::{self, Dice};
use crate::suite;
use crate::suspend::{resume, suspend};

/// Lines of each log that a failure shows.
const LOG_LINES: usize = 40;

pub(super) fn power_cut_at_random_moments(coracle: &Coracle) -> Result<()> {
    // Two VMs at once are too much for a small machine.
    suspend(coracle)?;
    let tested = dice::with(|dice| {
        let second = Coracle::unstarted()?;
        cut(&second, dice).with_context(|| second.logs(LOG_LINES))
    });
    let resumed = resume(coracle);
    tested.and(resumed)
}

/// What was recorded.
struct Recording {
    log: PathBuf,
    /// The first entry that belongs to the load, after a first record.
    begin: usize,
    synced: Vec<Synced>,
    engine: String,
}

impl Recording {
    /// Those of which the sync was over before that flush was.
    fn synced_by(&self, flush: usize) -> Vec<Synced> {
        let by = |synced: &&Synced| synced.entries <= flush as u64 + 1;
        self.synced.iter().filter(by).copied().collect()
    }
}

/// A disk to boot from, and what must be on it.
struct Cut {
    disk: PathBuf,
    synced: Vec<Synced>,
}

fn cut(second: &Coracle, dice: &mut Dice) -> Result<()> {
    // In the one folder that is not shared.
    let folder = second.paths().home().join("power");
    fs::create_dir(&folder)?;
    let recording = record(second, &folder, dice)?;
    for cut in check_disks(second, &folder, &recording, dice)? {
        let file = cut.disk.display().to_string();
        boot(second, &recording.engine, cut).with_context(|| format!("booted from {file}"))?;
    }
    Ok(())
}

fn record(second: &Coracle, folder: &Path, dice: &mut Dice) -> Result<Recording> {
    let recorder = Recorder::new(folder)?;
    second
        .coracle(["start", "--memory", "1536", "--disk", "4"])
        .env("PATH", recorder.path()?)
        .ok()?;
    load::prepare(second)?;
    let engine = load::identity(second)?;
    let log = recorder.log.clone();
    let synced = load::under(second, dice, Some(log.clone()), |load, dice| {
        load.await_more(suite::times(50, 500))?;
        thread::sleep(dice.moment(Duration::from_secs(3)));
        cut_power(second)?;
        Ok(load.synced())
    })?;
    let first = synced.first().context("there is no record")?;
    Ok(Recording {
        log,
        begin: first.entries as usize,
        synced,
        engine,
    })
}

/// The hypervisor goes with the daemon, and nobody starts another.
fn cut_power(second: &Coracle) -> Result<()> {
    process::kill(second.daemon()?)?;
    let home = second.paths().home().display().to_string();
    eventually("the end of the hypervisor", || {
        let left = process::of_state_named(&home, "qemu-system");
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

/// Checks the disks of many cuts, and returns some of them to boot from.
fn check_disks(
    second: &Coracle,
    folder: &Path,
    recording: &Recording,
    dice: &mut Dice,
) -> Result<Vec<Cut>> {
    let log = WriteLog::open(&recording.log)?;
    let flushes = log.flushes(recording.begin);
    let count = suite::times(20, 200);
    ensure!(flushes.len() >= count, "{} flushes", flushes.len());
    let chosen = dice.some_of(&flushes, count);
    let to_boot = dice.some_of(&chosen, suite::times(1, 10));
    let written = folder.join("written");
    let file = File::create_new(&written)?;
    file.set_len(fs::metadata(second.paths().data_disk())?.len())?;
    let (mut done, mut cuts) = (0, Vec::new());
    for flush in &chosen {
        log.replay(done..flush + 1, &file)?;
        done = flush + 1;
        let synced = recording.synced_by(*flush);
        let cut = disk::copy(&written, folder.join(format!("cut-{flush}")))?;
        write_some(&log, *flush, &cut, dice)?;
        let checked = folder.join("checked");
        disk::copy(&cut, checked.clone())?;
        let found = check(&checked, &synced);
        found.with_context(|| format!("cut after entry {flush} of the log"))?;
        if *flush == chosen[0] {
            // That is how a disk would look that lost what was flushed later.
            let all = record::judge(&disk::records(&checked)?, &recording.synced);
            ensure!(all.is_err(), "records are there before they were written");
        }
        match to_boot.contains(flush) {
            true => cuts.push(Cut { disk: cut, synced }),
            false => fs::remove_file(cut)?,
        }
    }
    let (all, most) = (recording.synced.len(), recording.synced_by(done - 1).len());
    eprintln!(
        "{} of {} flushes; up to {most} of {all} records expected",
        chosen.len(),
        flushes.len()
    );
    Ok(cuts)
}

/// Any part of what was on its way to the disk.
fn write_some(log: &WriteLog, flush: usize, disk: &Path, dice: &mut Dice) -> Result<()> {
    let disk = OpenOptions::new().write(true).open(disk)?;
    for number in log.until_next_flush(flush) {
        if dice.coin() {
            log.replay(number..number + 1, &disk)?;
        }
    }
    Ok(())
}

fn check(disk: &Path, synced: &[Synced]) -> Result<()> {
    disk::check(disk)?;
    record::judge(&disk::records(disk)?, synced)
}

fn boot(second: &Coracle, engine: &str, cut: Cut) -> Result<()> {
    fs::rename(cut.disk, second.paths().data_disk())?;
    second.coracle(["start"]).ok()?;
    let status = second.await_running()?;
    ensure!(
        !status["degraded"].to_string().contains("data disk"),
        "{status}"
    );
    record::judge(&load::look(second, engine)?, &cut.synced)?;
    let run = ["run", "--rm", crate::images::BUSYBOX, "true"];
    second.docker(run).ok()?;
    cut_power(second)
}
