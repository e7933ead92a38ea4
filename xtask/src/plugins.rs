//! The docker CLI and its plugins, for people whose machine has none.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{checkout, process};

/// The host's docker CLI, else the one among the tools.
pub(crate) fn docker() -> Result<PathBuf> {
    match process::find("docker") {
        Some(program) => Ok(program),
        None => Ok(checkout::target()?.join("tools/bin/docker")),
    }
}

/// Links compose and buildx into the user's plugin folder where the CLI has none of its own.
/// What the user has stays as it is.
pub(crate) fn link() -> Result<()> {
    let docker = docker()?;
    let from = checkout::target()?.join("tools/cli-plugins");
    let to = config_folder()?.join("cli-plugins");
    for name in ["compose", "buildx"] {
        let link = to.join(format!("docker-{name}"));
        if works(&docker, name) {
            continue;
        }
        // A link that leads nowhere is one of a checkout that is gone.
        if link.is_symlink() && !link.exists() {
            std::fs::remove_file(&link)
                .with_context(|| format!("cannot replace {}", link.display()))?;
        }
        place(&from.join(format!("docker-{name}")), &link)?;
    }
    Ok(())
}

fn works(docker: &Path, plugin: &str) -> bool {
    Command::new(docker)
        .args([plugin, "version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn place(from: &Path, link: &Path) -> Result<()> {
    if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::os::unix::fs::symlink(from, link)
        .with_context(|| format!("cannot link {} to {}", link.display(), from.display()))
}

/// `$DOCKER_CONFIG`, else `~/.docker`.
fn config_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty()) {
        return Ok(folder.into());
    }
    Ok(env::home_dir()
        .context("no home folder is known: set HOME")?
        .join(".docker"))
}
