//! Root runs suites as somebody who is neither root nor the usual first user.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::User;
use tempfile::TempDir;

use super::Options;
use super::tally::Tally;
use super::vm::{LONG, Session, arguments};
use crate::process::{command, output, progress};

/// Where the search for a free user id begins: 1000 is everybody's.
const FIRST_ID: u32 = 1500;

/// Runs the suites as `name`, who is made and removed again if there is no such user.
pub(super) fn run(
    session: &Session,
    name: &str,
    suites: &[&str],
    options: &Options,
    tally: &mut Tally,
) -> Result<()> {
    progress(
        "test",
        &format!("{} as the user {name}", suites.join(" and ")),
    );
    let _held = hold_interrupts()?;
    let account = Account::ensure(name)?;
    let stage = stage(session)?;
    let mut program = command("runuser");
    program
        .args(["--user", name, "--", "env", "--ignore-environment"])
        .arg(format!("HOME={}", account.home))
        .arg(format!("USER={name}"))
        .arg("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .arg(format!(
            "CORACLE_TEST_CHECKOUT={}",
            stage.path().join("checkout").display()
        ))
        .args(kept_environment())
        .args(options.long.then(|| format!("{}={}", LONG.0, LONG.1)))
        .arg(stage.path().join("debug/coracle-e2e"))
        .args(arguments(suites, options))
        .current_dir(stage.path());
    tally.run(&format!("the user {name}"), &mut program)
}

/// What steers the tests themselves.
fn kept_environment() -> Vec<String> {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("CORACLE_TEST_") && name != "CORACLE_TEST_CHECKOUT")
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// While this lives an interrupt ends what we run, and we remove the user before we end.
fn hold_interrupts() -> Result<impl Drop> {
    struct Held(SigSet);
    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.thread_unblock();
        }
    }
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    Ok(Held(signals))
}

/// A user for the time of the test.
struct Account {
    name: String,
    home: String,
    is_ours: bool,
}

impl Account {
    fn ensure(name: &str) -> Result<Self> {
        let mut is_ours = false;
        if User::from_name(name)?.is_none() {
            let id = (FIRST_ID..).find(|id| matches!(User::from_uid((*id).into()), Ok(None)));
            let id = id.context("no user id is free")?.to_string();
            output(command("useradd").args([
                "--create-home",
                "--shell",
                "/bin/sh",
                "--uid",
                &id,
                name,
            ]))?;
            is_ours = true;
        }
        let user = User::from_name(name)?.with_context(|| format!("there is no user {name}"))?;
        let account = Self {
            name: name.to_owned(),
            home: user.dir.display().to_string(),
            is_ours,
        };
        let id = user.uid.as_raw();
        ensure!(
            id != 0 && id != 1000,
            "the user {name} has the id {id}: name another one"
        );
        Ok(account)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = output(command("userdel").args(["--remove", &self.name]))
        {
            eprintln!("the user {} could not be removed: {error:#}", self.name);
        }
    }
}

/// Copies what the tests use to where everybody may read: the checkout may be in root's home.
fn stage(session: &Session) -> Result<TempDir> {
    let stage = tempfile::Builder::new()
        .prefix("coracle-as-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in("/var/tmp")?;
    let programs = stage.path().join("debug");
    fs::create_dir(&programs)?;
    for program in ["coracle", "coracled", "coracle-e2e"] {
        copy(&session.programs().join(program), &programs)?;
    }
    for folder in ["image", "tools", "samples", "python"] {
        copy(&session.target.join(folder), stage.path())?;
    }
    let checkout = stage.path().join("checkout");
    fs::create_dir(&checkout)?;
    for folder in ["examples", "tests"] {
        copy(&session.root.join(folder), &checkout)?;
    }
    output(
        Command::new("chmod")
            .args(["--recursive", "a+rX"])
            .arg(stage.path()),
    )?;
    Ok(stage)
}

/// Links inside a folder stay links; a file that is a link itself becomes the file.
fn copy(from: &Path, into: &Path) -> Result<()> {
    output(
        Command::new("cp")
            .args([
                "--recursive",
                "--preserve=mode,links,timestamps",
                "--reflink=auto",
                "-H",
            ])
            .arg(from)
            .arg(into),
    )?;
    Ok(())
}
