//! Debian's container registry, for the tests that push and pull.

use std::fs;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::process::progress;
use crate::{apt, checkout, debian};

/// Where the package has it, and its name in the folder.
const PROGRAM: &str = "usr/bin/docker-registry";

/// Makes `target/registry/docker-registry` unless it is there.
pub(super) fn prepare() -> Result<()> {
    // For the certificates of private registries.
    apt::ensure(&["openssl"])?;
    let folder = checkout::target()?.join("registry");
    if folder.join("docker-registry").is_file() {
        return Ok(());
    }
    progress("test", "fetching a container registry");
    apt::ensure(apt::TOOLS)?;
    let extraction = debian::extract(Arch::host(), &["docker-registry".to_owned()], false)?;
    let scratch = checkout::scratch(&checkout::target()?)?;
    let tree = checkout::scratch(scratch.path())?;
    extraction.unpack(tree.path(), &["usr/bin"])?;
    fs::copy(
        tree.path().join(PROGRAM),
        scratch.path().join("docker-registry"),
    )
    .context("Debian's package docker-registry has no such program")?;
    drop(tree);
    debian::publish(scratch, &folder)
}
