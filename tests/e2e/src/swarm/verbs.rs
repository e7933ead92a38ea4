use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, http};
use serde_json::Value;

use super::page::{Swarm, closed, free_port, page};
use crate::images;
use crate::suite::contains;

pub(super) fn swarm_is_turned_on_shown_and_off(coracle: &Coracle) -> Result<()> {
    images::busybox(coracle)?;
    let json = |verb: &[&str]| -> Result<Value> {
        let text = coracle.coracle(["swarm", "--json"]).args(verb).text()?;
        serde_json::from_str(&text).with_context(|| text.clone())
    };
    ensure!(json(&["off", "--yes"])?["state"] == "off", "it is not off");
    ensure!(json(&["on"])?["state"] == "on", "it is not on");
    ensure!(json(&["on"])?["state"] == "on", "on twice is not on");
    let port = free_port()?;
    let swarm = Swarm::up(coracle)?;
    swarm.pages(
        "shown",
        &["--publish", &format!("{port}:80"), "--replicas", "2"],
    )?;
    let service = json(&["status"])?["services"][0].clone();
    ensure!(
        service["name"] == "shown" && service["running"] == 2 && service["desired"] == 2,
        "{service}"
    );
    ensure!(service["ports"][0]["published"] == port, "{service}");
    let text = coracle.coracle(["swarm", "status"]).text()?;
    contains(
        &text,
        &["shown", "2/2 running", &format!("{port} → 80/tcp")],
    )?;
    eventually("a page", || page(port))?;
    let refused = coracle.coracle(["swarm", "off"]).refused()?;
    contains(&refused, &["shown", "--yes"])?;
    ensure!(json(&["off", "--yes"])?["state"] == "off", "it is not off");
    closed(port)
}

/// The engine's own default is 90 days, which docker's CLI sends when nobody chose.
pub(super) fn certificates_outlive_a_sleeping_machine(coracle: &Coracle) -> Result<()> {
    let expiry = || {
        coracle
            .docker([
                "info",
                "--format",
                "{{.Swarm.Cluster.Spec.CAConfig.NodeCertExpiry}}",
            ])
            .text()
    };
    let leave = || coracle.docker(["swarm", "leave", "--force"]).run();
    leave()?;
    coracle.docker(["swarm", "init"]).ok()?;
    let years = "87600h0m0s";
    ensure!(expiry()? == years, "it is {}", expiry()?);
    leave()?.ok()?;
    coracle
        .docker(["swarm", "init", "--cert-expiry", "48h"])
        .ok()?;
    ensure!(expiry()? == "48h0m0s", "it is {}", expiry()?);
    leave()?.ok()?;
    // A client that says nothing of it.
    let socket = coracle.paths().engine_socket();
    let answer = http::over_unix(
        &socket,
        "POST",
        "/swarm/init",
        r#"{"ListenAddr":"0.0.0.0"}"#,
    )?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(expiry()? == years, "it is {}", expiry()?);
    Ok(())
}

/// What the expiry is for: the engine starts 100 days later, and the swarm is there.
pub(super) fn swarm_is_there_after_a_hundred_days(coracle: &Coracle) -> Result<()> {
    coracle.docker(["swarm", "leave", "--force"]).run()?;
    let swarm = Swarm::up(coracle)?;
    let port = free_port()?;
    swarm.pages("patient", &["--publish", &format!("{port}:80")])?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    let restart_at = |seconds: u64| {
        let script = format!("date -s @{seconds} && kill -9 $(cat /run/docker.pid)");
        coracle.coracle(["shell", "--", "sh", "-c", &script]).ok()
    };
    restart_at(now()?.as_secs() + 100 * 24 * 3600)?;
    let seen = eventually("the swarm and its page", || {
        let told = coracle
            .docker([
                "info",
                "--format",
                "{{.Swarm.LocalNodeState}}: {{.Swarm.Error}}",
            ])
            .text()?;
        ensure!(told.starts_with("active"), "it is {told}");
        page(port)
    });
    // For the tests after this one, whatever came of it.
    restart_at(now()?.as_secs())?;
    coracle.await_running()?;
    drop(swarm);
    coracle.docker(["swarm", "leave", "--force"]).ok()?;
    seen?;
    Ok(())
}

pub(super) fn leaving_closes_the_ports(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let port = free_port()?;
    swarm.pages("left", &["--publish", &format!("{port}:80")])?;
    eventually("a page", || page(port))?;
    coracle.docker(["swarm", "leave", "--force"]).ok()?;
    closed(port)?;
    ensure!(
        coracle.status()?["ports"] == serde_json::json!([]),
        "ports are left"
    );
    Ok(())
}
