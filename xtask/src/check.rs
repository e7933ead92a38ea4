//! `cargo xtask check`: what every change must pass before any test runs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{apt, checkout, page, tidy};

/// The release of cargo-deny that is installed when the host has none.
const CARGO_DENY: &str = "0.20.2";

/// Runs formatting, lints, the dependency rules, the checks of the page and cargo-deny, in that order.
pub(crate) fn run() -> Result<()> {
    let root = checkout::root()?;
    apt::ensure(apt::APP)?;
    step("formatting", cargo().args(["fmt", "--all", "--check"]))?;
    step(
        "lints",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--quiet",
            "--",
            "--deny",
            "warnings",
        ]),
    )?;
    println!("check: dependency rules and seams");
    tidy::run(&root)?;
    step("the app's page", &mut page::check()?)?;
    let deny = cargo_deny()?;
    step(
        "licences and sources of dependencies",
        Command::new(deny).env("CARGO", env!("CARGO")).args([
            "--log-level",
            "error",
            "check",
            "licenses",
            "bans",
            "sources",
        ]),
    )?;
    println!("check: passed");
    Ok(())
}

fn cargo() -> Command {
    Command::new(env!("CARGO"))
}

fn step(what: &str, command: &mut Command) -> Result<()> {
    println!("check: {what}");
    if command.get_current_dir().is_none() {
        command.current_dir(checkout::root()?);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !status.success() {
        bail!("the check of {what} failed");
    }
    Ok(())
}

/// cargo-deny from `PATH`, else from the cache, else built into the cache.
fn cargo_deny() -> Result<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let cached = checkout::cache("cargo-deny")?.join(CARGO_DENY);
    let found = std::env::split_paths(&on_path)
        .chain([cached.join("bin")])
        .map(|folder| folder.join("cargo-deny"))
        .find(|program| program.is_file());
    if let Some(program) = found {
        return Ok(program);
    }
    println!("check: building cargo-deny {CARGO_DENY} (once)");
    let status = cargo()
        .args(["install", "cargo-deny", "--locked", "--quiet", "--debug"])
        .args(["--version", CARGO_DENY, "--root"])
        .arg(&cached)
        // It runs for seconds: building it quickly matters more than its speed.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .status()
        .context("cannot run cargo install")?;
    if !status.success() {
        bail!("cargo-deny could not be installed: try `cargo install cargo-deny`");
    }
    Ok(cached.join("bin/cargo-deny"))
}
