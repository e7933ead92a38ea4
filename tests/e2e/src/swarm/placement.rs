use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::page::Swarm;
use crate::suite::contains;

pub(super) fn global_service_and_node_labels(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    swarm.pages("everywhere", &["--mode", "global"])?;
    ensure!(
        swarm.replicas("everywhere")? == "1/1",
        "not on the one node"
    );

    let constraint = ["--constraint", "node.labels.disk==fast"];
    swarm.pages("choosy", &[&constraint[..], &["--detach"]].concat())?;
    eventually("a reason to wait", || {
        let tasks = swarm.service("ps", &["--no-trunc", "choosy"]).text()?;
        contains(&tasks, &["Pending", "no suitable node"])
    })?;
    let node = coracle.docker(["node", "ls", "--quiet"]).text()?;
    coracle
        .docker(["node", "update", "--label-add", "disk=fast", &node])
        .ok()?;
    eventually("a replica on the labelled node", || {
        let replicas = swarm.replicas("choosy")?;
        ensure!(replicas == "1/1", "{replicas}");
        Ok(())
    })?;
    coracle
        .docker(["node", "update", "--label-rm", "disk", &node])
        .ok()?;
    Ok(())
}
