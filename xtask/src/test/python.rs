//! Docker's Python SDK and clients of debuggers, in an environment of their own.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{output, progress};
use crate::{apt, checkout};

/// Makes `target/python` from `tests/python/requirements.txt` unless it is up to date.
pub(super) fn prepare() -> Result<()> {
    let wanted = fs::read_to_string(checkout::root()?.join("tests/python/requirements.txt"))
        .context("tests/python/requirements.txt")?;
    let folder = checkout::target()?.join("python");
    let stamp = folder.join(".requirements");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    progress("test", "fetching Python clients");
    if !can_make_environments() {
        apt::ensure(&["python3-venv"])?;
    }
    output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    output(
        Command::new(folder.join("bin/python3"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(wanted.lines()),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn can_make_environments() -> bool {
    output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}
