//! Python packages that the guest brings into containers: pure ones, from PyPI, for any interpreter.

use crate::process::{self, progress};
use crate::{apt, checkout, debian, digest::Digest};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where the guest agent looks for them (`debug/python/place.rs` there).
const FOLDER: &str = "usr/lib/coracle/debugpy";

/// For programs that attach by themselves, on other systems too, and sources of what is compiled there.
const USELESS: [&str; 7] = ["so", "dll", "dylib", "c", "cpp", "pyx", "pxd"];

/// Puts the packages into the root; a requirement a line, each with its version.
pub(super) fn add(root: &Path, requirements: &[String]) -> Result<()> {
    let cache = checkout::cache("python")?;
    let mut digest = Digest::default();
    digest.add(include_str!("python.rs"));
    requirements.iter().for_each(|line| digest.add(line));
    let folder = cache.join(&digest.finish()[..16]);
    if !folder.is_dir() {
        let scratch = checkout::scratch(&cache)?;
        fetch(requirements, scratch.path())?;
        debian::publish(scratch, &folder)?;
    }
    copy(&folder, &root.join(FOLDER))
}

fn fetch(requirements: &[String], into: &Path) -> Result<()> {
    progress("image", &format!("fetching {}", requirements.join(", ")));
    apt::ensure(apt::PYTHON)?;
    let environment = checkout::scratch(into)?;
    process::output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(environment.path()),
    )?;
    process::output(
        Command::new(environment.path().join("bin/python3"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--no-compile",
            ])
            .args(["--disable-pip-version-check", "--only-binary=:all:"])
            .args(["--platform=any", "--python-version=3.12", "--target"])
            .arg(into.join("lib"))
            .args(requirements),
    )?;
    drop(environment);
    let lib = into.join("lib");
    for entry in fs::read_dir(&lib)? {
        let entry = entry?;
        fs::rename(entry.path(), into.join(entry.file_name()))?;
    }
    fs::remove_dir(&lib).context("a folder that was emptied")
}

/// Modes follow from the kind alone, so that a umask does not reach the image.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let suffix = from.extension().unwrap_or_default();
        if from.is_dir() {
            copy(&from, &to)?;
        } else if !USELESS.iter().any(|useless| suffix == *useless) {
            fs::write(to, fs::read(&from)?)?;
        }
    }
    Ok(())
}
