use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};
use serde_json::Value;

use super::session::{Busy, Session};
use crate::suite::contains;

/// The sessions of these containers; those of another test may not have ended with theirs yet.
fn list(coracle: &Coracle, containers: [&str; 2]) -> Result<Vec<Value>> {
    let told = coracle.coracle(["debug", "list", "--json"]).ok()?.stdout;
    let mut sessions: Vec<Value> = serde_json::from_slice(&told)?;
    sessions.retain(|one| containers.iter().any(|name| one["container"] == **name));
    Ok(sessions)
}

pub(super) fn listed_stopped_and_ended_with_the_container(coracle: &Coracle) -> Result<()> {
    let one = Busy::in_busybox(coracle, "one")?;
    let two = Busy::in_busybox(coracle, "two")?;
    let first = Session::begin(coracle, &one.name)?;
    let second = Session::begin(coracle, &two.name)?;
    ensure!(first.address()? != second.address()?, "one port for both");
    let again = Session::begin(coracle, &one.name)?;
    ensure!(again.0["existing"] == true, "{:?}", again.0);
    ensure!(again.address()? == first.address()?, "{:?}", again.0);
    let listed = || list(coracle, [&one.name, &two.name]);
    ensure!(listed()?.len() == 2, "{:?}", listed()?);
    // Both at once.
    let mut clients = [first.connect()?, second.connect()?];
    for client in &mut clients {
        let told = super::session::converse(client, &super::session::packet("?"))?;
        ensure!(told.contains("$T05"), "{told}");
    }
    coracle.coracle(["debug", "stop", "one"]).ok()?;
    ensure!(first.connect().is_err(), "the port is still open");
    one.goes_on()?;
    drop(clients);
    two.goes_on()?;

    // The container may come back at once: then it is the same session.
    coracle.docker(["restart", "--time", "1", "two"]).ok()?;
    two.goes_on()?;
    eventually("the session has the new process", || {
        let said = second.gdb(coracle, &["info threads"])?.ok()?.all();
        contains(&said, &["worker-a"])
    })?;
    two.goes_on()?;
    coracle.docker(["rm", "--force", "two"]).ok()?;
    eventually("the session ends", || {
        ensure!(listed()?.is_empty(), "{:?}", listed()?);
        Ok(())
    })?;
    ensure!(second.connect().is_err(), "the port is still open");
    Ok(())
}

pub(super) fn service_of_a_swarm_and_its_next_replica(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["swarm", "on"]).ok()?;
    let mut busy = Busy::service(coracle, "replicated")?;
    let session = Session::begin(coracle, "replicated")?;
    let threads = || {
        let said = session.gdb(coracle, &["info threads"])?.ok()?.all();
        contains(&said, &["worker-a"])
    };
    threads()?;
    busy.goes_on()?;
    let before = busy.name.clone();
    coracle.docker(["rm", "--force", &before]).ok()?;
    eventually("the swarm starts another one", || {
        busy.is_replica("replicated")?;
        ensure!(busy.name != before, "still the one before");
        Ok(())
    })?;
    eventually("the session has the new process", threads)?;
    busy.goes_on()?;
    coracle.coracle(["debug", "stop", "replicated"]).ok()?;
    coracle.docker(["service", "rm", "replicated"]).ok()?;
    coracle.coracle(["swarm", "off", "--yes"]).ok()?;
    Ok(())
}

pub(super) fn configuration_is_added_to_launch_json(coracle: &Coracle) -> Result<()> {
    let busy = Busy::in_busybox(coracle, "written")?;
    let folder = coracle.work("editor")?;
    let file = folder.join(".vscode/launch.json");
    fs::create_dir(folder.join(".vscode"))?;
    fs::write(
        &file,
        "{\n  // kept\n  \"configurations\": [ {\"name\": \"old\"} ]\n}\n",
    )?;
    let write = || {
        coracle
            .coracle(["debug", &busy.name, "--write", "--json"])
            .dir(&folder)
            .ok()
    };
    let session: Value = serde_json::from_slice(&write()?.stdout)?;
    write()?;
    let text = fs::read_to_string(&file)?;
    contains(&text, &["// kept", "\"old\"", "Coracle: written"])?;
    ensure!(text.matches("Coracle: written").count() == 1, "{text}");
    let port = session["address"].as_str().unwrap_or_default();
    contains(&text, &[port, "set substitute-path /work "])?;
    coracle.coracle(["debug", "stop", &busy.name]).ok()?;
    Ok(())
}
