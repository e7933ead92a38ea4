use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::watcher::Watcher;

/// System calls of the agent raise MODIFY, come back from the host, and are not raised again.
pub(super) fn the_rest_is_delivered_and_status_says_so(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("without-module")?;
    fs::write(folder.join("file"), "start")?;
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    coracle
        .coracle(["shell", "--", "rmmod", "coracle_events"])
        .ok()?;
    fs::write(folder.join("file"), "edit")?;
    let seen = watcher.next()?;
    ensure!(
        seen.mask == "MODIFY" && seen.name == "file",
        "it was {seen}"
    );
    eventually("the sentence in the status", || {
        let status = coracle.status()?["degraded"].to_string();
        ensure!(
            status.contains("kernel module for file events"),
            "it is {status}"
        );
        Ok(())
    })?;
    // One edit is at most as many events as it has parts: it does not go round and round.
    std::thread::sleep(std::time::Duration::from_secs(3));
    fs::write(folder.join("end"), "x")?;
    let mut count = 0;
    while watcher.next()?.name != "end" {
        count += 1;
        ensure!(count < 10, "one edit is raised again and again");
    }
    // The module comes with the next boot.
    coracle.coracle(["restart"]).ok()?;
    let status = coracle.await_running()?["degraded"].to_string();
    ensure!(!status.contains("kernel module"), "it still is {status}");
    Ok(())
}
