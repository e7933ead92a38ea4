//! SIGKILL to each part: it is noticed and mended, and what a volume had synced is there.

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use crate::images;
use crate::synced::{check_synced, write_synced};

/// The ids of the processes of that name in the guest.
fn guest_ids(coracle: &Coracle, name: &str) -> Result<String> {
    coracle
        .coracle(["shell", "--", "busybox", "pidof", name])
        .text()
}

/// Kills a program of the guest, and waits until another one serves.
fn kill_in_guest(coracle: &Coracle, name: &str) -> Result<()> {
    let word = write_synced(coracle, "synced")?;
    let image = images::busybox(coracle)?;
    let id = coracle.background(["--restart", "always", image, "sleep", "1000"])?;
    let before = guest_ids(coracle, name)?;
    coracle
        .coracle(["shell", "--", "kill", "-9"])
        .args(before.split_whitespace())
        .ok()?;
    eventually(&format!("another {name}"), || {
        let now = guest_ids(coracle, name)?;
        ensure!(!now.is_empty() && now != before, "still {now}");
        Ok(())
    })?;
    coracle.await_running()?;
    eventually("the container that restarts always", || {
        let state = coracle
            .docker(["inspect", "--format", "{{.State.Running}}", &id])
            .text()?;
        ensure!(state == "true", "it does not run");
        coracle.docker(["exec", &id, "true"]).ok()
    })?;
    check_synced(coracle, "synced", &word)
}

pub(super) fn dockerd_killed(coracle: &Coracle) -> Result<()> {
    kill_in_guest(coracle, "dockerd")
}

pub(super) fn containerd_killed(coracle: &Coracle) -> Result<()> {
    kill_in_guest(coracle, "containerd")
}

/// The hypervisor of this Coracle.
fn hypervisor(coracle: &Coracle) -> Result<u32> {
    one(
        process::of_state_named(&coracle.paths().home().to_string_lossy(), "qemu-system"),
        "hypervisor",
    )
}

fn one(ids: Vec<u32>, what: &str) -> Result<u32> {
    match ids.as_slice() {
        [id] => Ok(*id),
        _ => anyhow::bail!("there should be one {what}: {ids:?}"),
    }
}

pub(super) fn hypervisor_killed(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "synced")?;
    let restarts = coracle.status()?["vm"]["restarts"]
        .as_u64()
        .context("no count of restarts")?;
    let before = hypervisor(coracle)?;
    process::kill(before)?;
    let status = restarted(coracle, before)?;
    ensure!(
        status["vm"]["restarts"].as_u64() > Some(restarts),
        "not counted: {status}"
    );
    check_synced(coracle, "synced", &word)
}

pub(super) fn file_server_killed(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "synced")?;
    let before = hypervisor(coracle)?;
    let servers = process::of_state_named(&coracle.paths().home().to_string_lossy(), "virtiofsd");
    process::kill(*servers.first().context("there is no virtiofsd")?)?;
    restarted(coracle, before)?;
    check_synced(coracle, "synced", &word)?;
    let folder = coracle.work("after-file-server")?;
    let mount = format!("{}:/data", folder.display());
    let image = images::busybox(coracle)?;
    coracle
        .docker([
            "run",
            "--rm",
            "--volume",
            &mount,
            image,
            "touch",
            "/data/there",
        ])
        .ok()?;
    ensure!(
        folder.join("there").exists(),
        "the share does not work again"
    );
    Ok(())
}

/// Waits for another hypervisor in which the engine runs.
fn restarted(coracle: &Coracle, before: u32) -> Result<serde_json::Value> {
    eventually("another hypervisor", || {
        ensure!(!process::is_alive(before), "{before} still runs");
        let now = hypervisor(coracle)?;
        ensure!(now != before, "it is the same");
        Ok(())
    })?;
    coracle.await_running()
}

pub(super) fn daemon_killed(coracle: &Coracle) -> Result<()> {
    let word = write_synced(coracle, "synced")?;
    let (before, vm) = (coracle.daemon()?, hypervisor(coracle)?);
    process::kill(before)?;
    eventually("an honest status", || {
        let status = coracle.coracle(["status"]).run()?;
        ensure!(
            status.status.code() == Some(9),
            "{}\n{}",
            status.status,
            status.all()
        );
        Ok(())
    })?;
    coracle.coracle(["start"]).ok()?;
    coracle.await_running()?;
    ensure!(coracle.daemon()? != before, "the daemon is the same");
    ensure!(
        !process::is_alive(vm),
        "the first hypervisor {vm} still runs"
    );
    hypervisor(coracle)?;
    check_synced(coracle, "synced", &word)
}
