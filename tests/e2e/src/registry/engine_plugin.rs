use std::fs;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use super::server::Server;
use super::stage::{HOST, stage};
use crate::images;
use crate::suite::contains;

const IMAGE: &str = "coracle-sample/plugin";

pub(super) fn install_enable_use_disable(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let _server = Server::start(coracle, stage.plain, None)?;
    let name = format!("{HOST}:{}/folders:latest", stage.plain);
    publish(coracle, &name)?;
    let outcome = works(coracle, &name);
    // Also after a failure: a plugin would outlive the test.
    let removed = coracle.docker(["plugin", "rm", "--force", &name]).ok();
    outcome.and(removed.map(|_| ()))
}

/// Makes the plugin of its image, pushes it and removes it.
fn publish(coracle: &Coracle, name: &str) -> Result<()> {
    coracle.load("plugin.tar", IMAGE)?;
    let folder = coracle.work("plugin")?;
    let root = folder.join("rootfs");
    fs::create_dir(&root)?;
    let id = coracle.docker(["create", IMAGE]).text()?;
    let tar = folder.join("rootfs.tar");
    coracle.docker(["export", &id, "--output"]).arg(&tar).ok()?;
    coracle
        .program("tar")
        .args(["--extract", "--no-same-owner", "--exclude=dev/*", "--file"])
        .arg(&tar)
        .arg("--directory")
        .arg(&root)
        .ok()?;
    fs::remove_file(tar)?;
    let config = coracle
        .places()
        .checkout
        .join("tests/images/plugin/config.json");
    fs::copy(&config, folder.join("config.json")).with_context(|| config.display().to_string())?;
    coracle
        .docker(["plugin", "create", name])
        .arg(&folder)
        .ok()?;
    coracle.docker(["plugin", "push", name]).ok()?;
    coracle.docker(["plugin", "rm", name]).ok()?;
    Ok(())
}

fn works(coracle: &Coracle, name: &str) -> Result<()> {
    coracle
        .docker(["plugin", "install", "--grant-all-permissions", "--disable"])
        .arg(name)
        .ok()?;
    ensure!(enabled(coracle, name)? == "false", "it is enabled already");
    coracle.docker(["plugin", "enable", name]).ok()?;
    ensure!(enabled(coracle, name)? == "true", "it is not enabled");

    let image = images::busybox(coracle)?;
    coracle
        .docker(["volume", "create", "--driver", name, "of-the-plugin"])
        .ok()?;
    let volume = "of-the-plugin:/volume";
    let in_container = |command: &str| {
        coracle
            .docker([
                "run", "--rm", "--volume", volume, image, "sh", "-c", command,
            ])
            .text()
    };
    in_container("echo kept >/volume/file")?;
    let text = in_container("cat /volume/file && rm /volume/file")?;
    ensure!(text == "kept", "the volume has {text:?}");
    let all = coracle
        .docker(["volume", "ls", "--format", "{{.Driver}} {{.Name}}"])
        .text()?;
    contains(&all, &[&format!("{name} of-the-plugin")])?;
    let refused = coracle.docker(["plugin", "disable", name]).refused()?;
    contains(&refused, &["in use"])?;
    coracle.docker(["volume", "rm", "of-the-plugin"]).ok()?;

    coracle.docker(["plugin", "disable", name]).ok()?;
    ensure!(enabled(coracle, name)? == "false", "it is still enabled");
    coracle
        .docker(["volume", "create", "--driver", name, "another"])
        .refused()?;
    Ok(())
}

fn enabled(coracle: &Coracle, name: &str) -> Result<String> {
    coracle
        .docker(["plugin", "inspect", "--format", "{{.Enabled}}", name])
        .text()
}
