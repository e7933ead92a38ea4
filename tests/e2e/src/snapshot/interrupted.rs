use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live};

use super::{clear, names, restore, take};
use crate::suspend::{daemon_killed_after, is_suspended, resume};
use crate::synced::{check_synced, write_synced};
use crate::{dice, images, suite};

/// The stop waits for it, and both are done.
pub(super) fn stop_while_one_is_taken(coracle: &Coracle) -> Result<()> {
    clear(coracle)?;
    images::busybox(coracle)?;
    let mut taking = Live::start(coracle.coracle(["snapshot", "create", "busy", "--json"]))?;
    taking.line(|line| line.contains("memory"))?;
    coracle.coracle(["snapshot", "create", "other"]).refused()?;
    coracle.coracle(["stop"]).ok()?;
    ensure!(taking.wait()?.success(), "it was not taken");
    is_suspended(coracle)?;
    resume(coracle)?;
    ensure!(names(coracle)? == ["busy"]);
    restore(coracle, "busy")?;
    clear(coracle)
}

pub(super) fn daemon_killed_while_one_is_taken(coracle: &Coracle) -> Result<()> {
    clear(coracle)?;
    dice::with(|dice| {
        for moment in 0..suite::times(1, 12) {
            let word = write_synced(coracle, "killed")?;
            let before = names(coracle)?;
            let name = format!("n{moment}");
            daemon_killed_after(
                coracle,
                &["snapshot", "create", &name],
                dice.moment(Duration::from_secs(4)),
            )?;
            check_synced(coracle, "killed", &word)?;
            let now = names(coracle)?;
            let is_whole = now.contains(&name);
            ensure!(now.len() == before.len() + usize::from(is_whole), "{now:?}");
            if is_whole {
                restore(coracle, &name)?;
                check_synced(coracle, "killed", &word)?;
            }
            eprintln!("killed at {moment}: whole {is_whole}");
        }
        Ok(())
    })?;
    // What is left over of them in the disk goes with the next one.
    take(coracle, "after")?;
    restore(coracle, "after")?;
    clear(coracle)
}

/// What there is then is what was, or what was wanted; and the snapshot can be restored all the same.
pub(super) fn daemon_killed_while_one_is_restored(coracle: &Coracle) -> Result<()> {
    let of_then = write_synced(coracle, "killed")?;
    take(coracle, "then")?;
    dice::with(|dice| {
        for moment in 0..suite::times(1, 16) {
            let of_now = write_synced(coracle, "killed")?;
            daemon_killed_after(
                coracle,
                &["snapshot", "restore", "--yes", "then"],
                dice.moment(Duration::from_secs(4)),
            )?;
            let is_now = check_synced(coracle, "killed", &of_now).is_ok();
            if !is_now {
                check_synced(coracle, "killed", &of_then)?;
            }
            eprintln!("killed at {moment}: as it was {is_now}");
        }
        Ok(())
    })?;
    restore(coracle, "then")?;
    check_synced(coracle, "killed", &of_then)?;
    clear(coracle)
}
