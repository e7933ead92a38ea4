use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually};

use super::{clear, names, restore, take};
use crate::suspend::{boot_id, resume, suspend};
use crate::synced::{check_synced, write_synced};
use crate::{images, suite};

const COUNT: &str = "i=0; while :; do i=$((i+1)); echo $i >/next; mv /next /count; sleep 0.1; done";

fn count(coracle: &Coracle) -> Result<u64> {
    let read = ["exec", "counter", "cat", "/count"];
    Ok(coracle.docker(read).text()?.parse()?)
}

/// Out of sight for `docker run`, not for a snapshot: it never reached the disk.
fn in_memory(coracle: &Coracle) -> Result<String> {
    let read = ["exec", "counter", "cat", "/dev/shm/word"];
    coracle.docker(read).text()
}

fn counter(coracle: &Coracle) -> Result<()> {
    let run = ["--name", "counter", images::busybox(coracle)?];
    coracle.background(run.into_iter().chain(["sh", "-c", COUNT]))?;
    eventually("a first count", || count(coracle).map(drop))
}

fn clock_is_right(coracle: &Coracle) -> Result<()> {
    eventually("the right time", || {
        let told = coracle.docker(["exec", "counter", "date", "+%s"]).text()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let off = now.abs_diff(told.parse()?);
        ensure!(off <= 1, "off by {off} s");
        Ok(())
    })
}

pub(super) fn containers_of_then_go_on(coracle: &Coracle) -> Result<()> {
    clear(coracle)?;
    counter(coracle)?;
    let boot = boot_id(coracle)?;
    let shm = ["exec", "counter", "sh", "-c", "echo first >/dev/shm/word"];
    coracle.docker(shm).ok()?;
    let first = write_synced(coracle, "snapshot")?;
    let before = count(coracle)?;
    let taken = take(coracle, "first")?;
    ensure!(taken["pause_ms"].as_u64() > Some(0), "{taken}");
    let second = write_synced(coracle, "snapshot")?;
    let at_first = count(coracle)?;
    let shm = ["exec", "counter", "sh", "-c", "echo second >/dev/shm/word"];
    coracle.docker(shm).ok()?;
    take(coracle, "second")?;
    ensure!(names(coracle)? == ["first", "second"]);
    // From here on everything is another.
    coracle.docker(["rm", "--force", "counter"]).ok()?;
    coracle.background(["--name", "later", images::BUSYBOX, "sleep", "1000"])?;
    write_synced(coracle, "snapshot")?;

    for round in 0..suite::times(1, 10) {
        restore(coracle, "first")?;
        ensure!(boot_id(coracle)? == boot, "the guest was booted anew");
        let counted = count(coracle)?;
        ensure!(counted >= before, "{counted} after {before}");
        ensure!(
            round > 0 || counted < at_first + 100,
            "{counted} is of later than {at_first}"
        );
        ensure!(in_memory(coracle)? == "first");
        check_synced(coracle, "snapshot", &first)?;
        coracle.docker(["inspect", "later"]).refused()?;
        clock_is_right(coracle)?;
        // Suspensions between snapshots, with what was written since.
        let since = write_synced(coracle, "snapshot")?;
        suspend(coracle)?;
        resume(coracle)?;
        check_synced(coracle, "snapshot", &since)?;
        restore(coracle, "second")?;
        ensure!(in_memory(coracle)? == "second");
        check_synced(coracle, "snapshot", &second)?;
        // And from a VM that does not run.
        suspend(coracle)?;
    }
    restore(coracle, "first")?;
    ensure!(in_memory(coracle)? == "first");
    ensure!(names(coracle)? == ["first", "second"]);
    clear(coracle)
}

/// A stream through the socket goes on, and the clock in the container does not stay behind.
pub(super) fn clients_notice_nothing(coracle: &Coracle) -> Result<()> {
    counter(coracle)?;
    let follow = "while :; do cat /count; sleep 0.2; done";
    let mut follow = Live::start(coracle.docker(["exec", "counter", "sh", "-c", follow]))?;
    for name in ["a", "b"] {
        let before = count(coracle)?;
        take(coracle, name)?;
        follow.line(|line| line.parse::<u64>().is_ok_and(|now| now > before + 5))?;
        clock_is_right(coracle)?;
    }
    ensure!(follow.is_running()?, "the stream has ended");
    clear(coracle)
}

pub(super) fn a_disk_without_snapshots_is_one_file_again(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "merged")?;
    take(coracle, "kept")?;
    let layer = coracle.paths().data_disk().with_extension("qcow2");
    let used = || anyhow::Ok(layer.metadata()?.blocks() * 512);
    // What is written and deleted again, with and without a snapshot that holds it.
    let fill = "head -c 200000000 /dev/urandom >/kept/fill && sync";
    let run = ["run", "--rm", "--volume", "merged:/kept", images::BUSYBOX];
    coracle.docker(run).args(["sh", "-c", fill]).ok()?;
    let full = used()?;
    ensure!(full > 200_000_000, "the layer takes {full} bytes");
    let delete = "rm /kept/fill && sync";
    coracle.docker(run).args(["sh", "-c", delete]).ok()?;
    eventually("the room on the host", || {
        let empty = used()?;
        ensure!(
            empty + 190_000_000 < full,
            "the layer takes {empty} bytes after {full}"
        );
        Ok(())
    })?;
    coracle.coracle(["snapshot", "delete", "kept"]).ok()?;
    let said = coracle.coracle(["restart"]).ok()?.all();
    ensure!(said.contains("Merging"), "{said}");
    ensure!(!layer.exists(), "the layer is still there");
    check_synced(coracle, "merged", &word)
}
