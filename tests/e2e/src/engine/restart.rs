use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, http};
use serde_json::Value;

use crate::images;
use crate::suite::contains;

/// Something to find again; returns the container's id.
fn leave_traces(coracle: &Coracle, volume: &str) -> Result<String> {
    let image = images::busybox(coracle)?;
    let mount = format!("{volume}:/kept");
    let script = "echo in-volume >/kept/file; echo in-layer >/file; sync; sleep 1000";
    let id = coracle.background(["--volume", &mount, image, "sh", "-c", script])?;
    coracle
        .docker([
            "exec",
            &id,
            "sh",
            "-c",
            "until [ -s /file ]; do sleep 0.1; done; sync",
        ])
        .ok()?;
    Ok(id)
}

fn find_traces(coracle: &Coracle, id: &str) -> Result<()> {
    let state = coracle
        .docker(["inspect", "--format", "{{.State.Status}}", id])
        .text()?;
    ensure!(state == "exited", "the container is {state}");
    // Its command writes the files anew: read them without it.
    let file = coracle
        .docker(["cp", &format!("{id}:/file"), "-"])
        .ok()?
        .text();
    contains(&file, &["in-layer"])?;
    let file = coracle
        .docker(["cp", &format!("{id}:/kept/file"), "-"])
        .ok()?
        .text();
    contains(&file, &["in-volume"])?;
    coracle.docker(["start", id]).ok()?;
    coracle
        .docker(["exec", id, "grep", "in-volume", "/kept/file"])
        .ok()?;
    Ok(())
}

pub(super) fn stop_is_told_to_clients_and_start_keeps_everything(coracle: &Coracle) -> Result<()> {
    let id = leave_traces(coracle, "kept-over-stop")?;
    let daemon = coracle.daemon()?;
    coracle.coracle(["stop", "--shutdown"]).ok()?;

    let status = coracle.coracle(["status", "--json"]).run()?;
    ensure!(
        status.status.code() == Some(4),
        "{}\n{}",
        status.status,
        status.all()
    );
    ensure!(coracle.daemon()? == daemon, "the daemon is another one");
    let answer = http::over_unix(&coracle.paths().engine_socket(), "GET", "/version", "")?;
    let error: Value = serde_json::from_slice(&answer.body)
        .with_context(|| format!("not JSON: {}", answer.text()))?;
    let message = error["message"].as_str().unwrap_or_default();
    ensure!(
        answer.status == 503 && message.contains("coracle start"),
        "{answer:?}"
    );
    contains(&coracle.docker(["ps"]).refused()?, &["coracle start"])?;
    let shell = coracle.coracle(["shell", "--", "true"]).run()?;
    ensure!(
        shell.status.code() == Some(4),
        "{}\n{}",
        shell.status,
        shell.all()
    );

    coracle.coracle(["start"]).ok()?;
    coracle.await_running()?;
    find_traces(coracle, &id)
}

/// The same image under another version: what the daemon and the agent read of it changes, the data disk does not.
pub(super) fn newer_image_boots_on_an_older_data_disk(coracle: &Coracle) -> Result<()> {
    let id = leave_traces(coracle, "kept-over-image")?;
    let newer = coracle.home().join("newer-image");
    fs::create_dir(&newer)?;
    let image = &coracle.places().image;
    for entry in fs::read_dir(image)? {
        let entry = entry?;
        if entry.file_name() != "manifest.json" {
            symlink(entry.path().canonicalize()?, newer.join(entry.file_name()))?;
        }
    }
    let mut manifest: Value = serde_json::from_slice(&fs::read(image.join("manifest.json"))?)?;
    let version = manifest["version"]
        .as_str()
        .context("the image has no version")?;
    manifest["version"] = format!("{version}-newer").into();
    fs::write(newer.join("manifest.json"), manifest.to_string())?;

    coracle.coracle(["stop", "--quit", "--shutdown"]).ok()?;
    coracle.use_image(&newer);
    let started = coracle.coracle(["start"]).run();
    coracle.use_image(image);
    started?.ok()?;
    let status = coracle.await_running()?;
    let running = status["versions"]["image"].as_str().unwrap_or_default();
    ensure!(
        running.ends_with("-newer"),
        "the image's version is {running:?}"
    );
    find_traces(coracle, &id)
}
