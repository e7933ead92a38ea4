use std::fs;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::server::{self, Server};
use super::stage::{HOST, PROXIED, free_port, stage};
use crate::images;

/// Pushes busybox and a layer that was never anywhere else under a name: a pull of it has to fetch something,
/// whichever images the engine still has.
pub(super) fn push(coracle: &Coracle, name: &str) -> Result<()> {
    let image = images::busybox(coracle)?;
    let folder = coracle.work("pushed")?;
    let file = folder.join("pushed");
    fs::write(&file, format!("{:?}", SystemTime::now()))?;
    let id = coracle.docker(["create", image]).text()?;
    coracle
        .docker(["cp", &file.display().to_string(), &format!("{id}:/pushed")])
        .ok()?;
    coracle.docker(["commit", &id, name]).ok()?;
    coracle.docker(["rm", &id]).ok()?;
    coracle.docker(["push", name]).ok()?;
    coracle.docker(["image", "rm", name]).ok()?;
    Ok(())
}

/// Pulls it and runs it.
pub(super) fn pull(coracle: &Coracle, name: &str) -> Result<()> {
    coracle.docker(["pull", name]).ok()?;
    let text = coracle
        .docker(["run", "--rm", name, "echo", "runs"])
        .text()?;
    ensure!(text == "runs", "it wrote {text:?}");
    coracle.docker(["image", "rm", name]).ok()?;
    Ok(())
}

pub(super) fn push_and_pull(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let server = Server::start(coracle, stage.plain, None)?;
    let name = format!("{HOST}:{}/busybox", stage.plain);
    push(coracle, &name)?;
    server.holds("busybox")?;
    pull(coracle, &name)
}

/// The registry's name exists nowhere: without the proxy nothing of it could be fetched.
pub(super) fn pull_through_a_proxy(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let _server = Server::start(coracle, stage.plain, None)?;
    push(coracle, &format!("{HOST}:{}/busybox", stage.plain))?;
    let before = stage.proxy.requests();
    ensure!(
        !before.iter().any(|line| line.contains(HOST)),
        "the host itself was reached by the proxy: {before:?}"
    );
    pull(coracle, &format!("{PROXIED}:{}/busybox", stage.plain))?;
    let requests = stage.proxy.requests().split_off(before.len());
    // The manifest and at least one blob.
    for part in ["/v2/busybox/manifests/", "/v2/busybox/blobs/"] {
        let target = format!("http://{PROXIED}:{}{part}", stage.plain);
        ensure!(
            requests.iter().any(|line| line.contains(&target)),
            "no {target} in {requests:?}"
        );
    }
    Ok(())
}

pub(super) fn pull_from_a_mirror(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let _server = Server::start(coracle, stage.plain, None)?;
    let name = "coracle-mirrored";
    push(coracle, &format!("{HOST}:{}/library/{name}", stage.plain))?;
    pull(coracle, name)
}

/// `localhost` is the guest's for the engine, and the same registry is the host's by the same port.
pub(super) fn registry_in_a_container(coracle: &Coracle) -> Result<()> {
    let image = images::voting_app(coracle)?;
    let folder = coracle.work("registry-in-container")?;
    fs::copy(server::program(coracle)?, folder.join("registry"))?;
    server::write_config(&folder, ":5000", "/tmp".as_ref(), None)?;
    let port = free_port()?;
    let id = coracle.background([
        "--publish",
        &format!("{port}:5000"),
        "--volume",
        &format!("{}:/registry:ro", folder.display()),
        image,
        "/registry/registry",
        "serve",
        "/registry/config.yml",
    ])?;
    eventually("a registry in a container", || {
        let address = format!("127.0.0.1:{port}");
        let answer = coracle_vm_harness::http::get(&address, "/v2/")?;
        ensure!(answer.status == 200, "{}", answer.status);
        Ok(())
    })?;
    let name = format!("localhost:{port}/busybox");
    push(coracle, &name)?;
    pull(coracle, &name)?;
    coracle.docker(["rm", "--force", "--volumes", &id]).ok()?;
    // With the container its port is gone in the guest as on the host.
    let refused = coracle.docker(["pull", &name]).refused()?;
    ensure!(refused.contains("refused"), "{refused}");
    Ok(())
}
