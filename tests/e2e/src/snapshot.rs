//! Snapshots: back to the running containers of then, and nothing lost on the way.

mod interrupted;
mod refusals;
mod there_and_back;

use anyhow::{Context, Result};
use coracle_vm_harness::Coracle;
use serde_json::Value;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "snapshot",
    tests: tests![
        there_and_back::containers_of_then_go_on,
        there_and_back::clients_notice_nothing,
        there_and_back::a_disk_without_snapshots_is_one_file_again,
        refusals::wrong_names,
        refusals::no_room,
        refusals::damaged_memory,
        refusals::another_shape,
        interrupted::stop_while_one_is_taken,
        interrupted::daemon_killed_while_one_is_taken,
        interrupted::daemon_killed_while_one_is_restored,
    ],
};

/// Takes one; what `--json` says of it.
fn take(coracle: &Coracle, name: &str) -> Result<Value> {
    let taken = coracle
        .coracle(["snapshot", "create", name, "--json"])
        .ok()?;
    let last = taken.text();
    let last = last.lines().last().context("it said nothing")?;
    let last: Value = serde_json::from_str(last)?;
    Ok(last["snapshot"].clone())
}

fn restore(coracle: &Coracle, name: &str) -> Result<String> {
    let restore = coracle.coracle(["snapshot", "restore", "--yes", name]);
    let said = restore.ok()?.all();
    coracle.await_running()?;
    Ok(said)
}

fn names(coracle: &Coracle) -> Result<Vec<String>> {
    let listed = coracle.coracle(["snapshot", "list", "--json"]).text()?;
    let listed: Vec<Value> = serde_json::from_str(&listed)?;
    let names = listed.iter().filter_map(|one| one["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Deletes all that a test has left.
fn clear(coracle: &Coracle) -> Result<()> {
    for name in names(coracle)? {
        coracle.coracle(["snapshot", "delete", &name]).ok()?;
    }
    Ok(())
}
