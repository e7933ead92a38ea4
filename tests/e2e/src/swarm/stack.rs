use std::fs;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, http};

use super::page::{Swarm, closed, free_port};
use crate::images;
use crate::suite::contains;

const STACK: &str = "voting";

/// The sample's file as it is, but on ports that nobody else on this machine has.
pub(super) fn voting_app(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    images::voting_app(coracle)?;
    let (vote, result) = (free_port()?, free_port()?);
    let sample = coracle
        .places()
        .checkout
        .join("examples/voting-app/stack.yaml");
    let text = fs::read_to_string(&sample).with_context(|| sample.display().to_string())?;
    let moved = text
        .replace("\"8080:8000\"", &format!("\"{vote}:8000\""))
        .replace("\"8081:3000\"", &format!("\"{result}:3000\""));
    let file = coracle.work("stack")?.join("stack.yaml");
    fs::write(&file, moved)?;
    coracle
        .docker([
            "stack",
            "deploy",
            "--resolve-image",
            "never",
            "--compose-file",
        ])
        .arg(&file)
        .arg(STACK)
        .ok()?;
    let services = coracle
        .docker(["stack", "services", "--format", "{{.Name}}", STACK])
        .text()?;
    ensure!(services.lines().count() == 5, "{services}");
    let (vote_at, result_at) = (format!("127.0.0.1:{vote}"), format!("127.0.0.1:{result}"));
    eventually("a page that votes", || {
        let page = http::get(&vote_at, "/")?;
        ensure!(page.status == 200, "{page:?}");
        contains(&page.text(), &["cats", "dogs"])
    })?;
    // Services start in any order and again until those that they need are there.
    eventually("the counted vote", || {
        let answer = http::post(&vote_at, "/", "vote=dogs")?;
        ensure!(answer.status == 303, "{answer:?}");
        let totals: serde_json::Value =
            serde_json::from_slice(&http::get(&result_at, "/totals")?.body)?;
        ensure!(totals["dogs"].as_u64() >= Some(1), "{totals}");
        Ok(())
    })?;
    let replicas = swarm.replicas(&format!("{STACK}_vote"))?;
    ensure!(replicas == "2/2", "{replicas}");
    coracle.docker(["stack", "rm", STACK]).ok()?;
    closed(vote)?;
    closed(result)
}
