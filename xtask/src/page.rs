//! The app's page in `ui`: its packages, its build, its checks and tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{self, inherit, output, progress};
use crate::{apt, checkout};

/// Set to have the file of types written by the test that compares it.
const WRITE_TYPES: &str = "CORACLE_WRITE_TYPES";

/// Makes `ui/dist`, which is compiled into the app.
pub(crate) fn build() -> Result<()> {
    install()?;
    progress("page", "building");
    output(npm()?.args(["run", "build"])).map(drop)
}

/// Types, formatting and warnings.
pub(crate) fn check() -> Result<Command> {
    install()?;
    let mut command = npm()?;
    command.args(["run", "--silent", "check"]);
    Ok(command)
}

/// The tests against the app that is played: in node, or in Chromium.
pub(crate) fn test(script: &str) -> Result<Command> {
    install()?;
    let mut command = npm()?;
    command.args(["run", "--silent", script]);
    Ok(command)
}

/// `cargo xtask types`: writes `ui/src/host/types.ts` from the Rust types.
pub(crate) fn types() -> Result<()> {
    inherit(
        Command::new(env!("CARGO"))
            .args(["test", "--package", "coracle-app", "types::"])
            .env(WRITE_TYPES, "1")
            .current_dir(checkout::root()?),
    )
}

/// Fetches the packages that `package-lock.json` names, unless they are there.
fn install() -> Result<()> {
    apt::ensure(apt::PAGE)?;
    let folder = folder()?;
    let lock = folder.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
    let stamp = folder.join("node_modules/.coracle-lock");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    progress("page", "fetching packages");
    output(npm()?.args(["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn npm() -> Result<Command> {
    let mut command = process::command("npm");
    command.current_dir(folder()?);
    Ok(command)
}

fn folder() -> Result<PathBuf> {
    Ok(checkout::root()?.join("ui"))
}
