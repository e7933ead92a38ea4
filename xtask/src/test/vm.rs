//! The test program that boots the VM, and what it needs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::tally::Tally;
use super::{Options, python, registry};
use crate::process::inherit;
use crate::{apt, checkout, page};

/// Tells the test program of `--long`.
pub(super) const LONG: (&str, &str) = ("CORACLE_TEST_LONG", "1");

/// What was built for the suites in the VM.
pub(super) struct Session {
    pub(super) root: PathBuf,
    pub(super) target: PathBuf,
}

impl Session {
    /// Builds what is missing; for a list only the test program itself.
    pub(super) fn prepare(list: bool, with_app: bool) -> Result<Self> {
        let session = Self {
            root: checkout::root()?,
            target: checkout::target()?,
        };
        let mut packages = vec!["coracled", "coracle-cli", "coracle-e2e"];
        if with_app && !list {
            apt::ensure(apt::APP)?;
            apt::ensure(apt::GUI_TESTS)?;
            page::build()?;
            packages.push("coracle-app");
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet"]).current_dir(&session.root);
        for package in packages {
            cargo.args(["--package", package]);
        }
        inherit(&mut cargo)?;
        if !list {
            let own = std::env::current_exe().context("cannot tell where xtask lies")?;
            for verb in ["tools", "image", "samples"] {
                inherit(Command::new(&own).arg(verb).current_dir(&session.root))?;
            }
            apt::ensure(apt::TESTS)?;
            python::prepare()?;
            registry::prepare()?;
        }
        Ok(session)
    }

    /// The programs' folder.
    pub(super) fn programs(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// Runs suites as the user of this process.
    pub(super) fn run(&self, suites: &[&str], options: &Options, tally: &mut Tally) -> Result<()> {
        let mut command = Command::new(self.programs().join("coracle-e2e"));
        command
            .args(arguments(suites, options))
            .envs(options.long.then_some(LONG))
            .current_dir(&self.root);
        tally.run("the VM", &mut command)
    }
}

/// The test program's arguments.
pub(super) fn arguments(suites: &[&str], options: &Options) -> Vec<String> {
    let mut arguments = Vec::new();
    for suite in suites {
        arguments.extend(["--suite".to_owned(), (*suite).to_owned()]);
    }
    if options.list {
        arguments.push("--list".to_owned());
    }
    arguments.extend(options.filter.clone());
    arguments
}
