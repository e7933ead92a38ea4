use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::page::Swarm;
use crate::suite::contains;

pub(super) fn created_scaled_and_listed(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    swarm.pages("scaled", &["--replicas", "1"])?;
    coracle.docker(["service", "scale", "scaled=3"]).ok()?;
    ensure!(swarm.replicas("scaled")? == "3/3", "not three");
    let tasks = swarm
        .service(
            "ps",
            &[
                "--filter",
                "desired-state=running",
                "--format",
                "{{.Name}} {{.CurrentState}}",
                "scaled",
            ],
        )
        .text()?;
    for number in 1..=3 {
        contains(&tasks, &[&format!("scaled.{number} Running")])?;
    }
    coracle.docker(["service", "scale", "scaled=1"]).ok()?;
    eventually("one container", || {
        let ids = coracle.docker(["ps", "--quiet"]).text()?;
        ensure!(ids.lines().count() == 1, "{ids}");
        Ok(())
    })
}

/// `version` of each running replica.
fn versions(swarm: &Swarm<'_>, name: &str) -> Result<BTreeSet<String>> {
    let ids = swarm
        .coracle
        .docker(["ps", "--quiet", "--filter"])
        .arg(format!("label=com.docker.swarm.service.name={name}"))
        .text()?;
    ids.lines()
        .map(|id| {
            swarm
                .coracle
                .docker(["exec", id, "sh", "-c", "echo $VERSION"])
                .text()
        })
        .collect()
}

pub(super) fn update_and_rollback_by_hand(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    swarm.pages("updated", &["--replicas", "2"])?;
    let order = ["--update-parallelism", "1", "--update-delay", "1s"];
    swarm
        .service("update", &order)
        .args(["--env-add", "VERSION=2", "updated"])
        .ok()?;
    ensure!(
        versions(&swarm, "updated")? == ["2".into()].into(),
        "not version 2"
    );
    let state = swarm.inspect("updated", "{{.UpdateStatus.State}}")?;
    ensure!(state == "completed", "the update is {state}");
    swarm.service("rollback", &["updated"]).ok()?;
    ensure!(
        versions(&swarm, "updated")? == ["1".into()].into(),
        "not version 1"
    );
    let state = swarm.inspect("updated", "{{.UpdateStatus.State}}")?;
    ensure!(state == "rollback_completed", "the rollback is {state}");
    Ok(())
}

pub(super) fn logs_of_all_replicas(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    swarm.pages("logged", &["--replicas", "2"])?;
    eventually("lines of both", || {
        let log = swarm.service("logs", &["logged"]).ok()?.all();
        contains(&log, &["logged.1.", "logged.2.", "serving version 1"])
    })
}

pub(super) fn unhealthy_replica_is_replaced(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let health = [
        "--health-cmd",
        "test ! -e /sick",
        "--health-interval",
        "1s",
        "--health-retries",
        "1",
        "--restart-delay",
        "0s",
    ];
    swarm.pages("healthy", &health)?;
    let replica = || {
        coracle
            .docker(["ps", "--quiet", "--filter", "health=healthy"])
            .text()
    };
    let first = eventually("a healthy replica", || {
        let id = replica()?;
        ensure!(!id.is_empty(), "none is healthy");
        Ok(id)
    })?;
    coracle.docker(["exec", &first, "touch", "/sick"]).ok()?;
    eventually("another healthy replica", || {
        let id = replica()?;
        ensure!(!id.is_empty() && id != first, "{id:?} after {first:?}");
        Ok(())
    })?;
    let tasks = swarm.service("ps", &["--no-trunc", "healthy"]).text()?;
    contains(&tasks, &["unhealthy container"])
}
