//! `cargo xtask test`: the tests that need no VM, then those in the real one.
//!
//! Ends with one line `N passed, N failed` over all that ran.

mod installed;
mod ordinary_user;
mod python;
mod registry;
mod tally;
mod vm;

use std::process::Command;

use anyhow::{Result, bail};

use crate::{apt, checkout, page};
use tally::Tally;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to run; everything without
    #[arg(value_enum)]
    suites: Vec<Suite>,
    /// Show the tests instead of running them
    #[arg(long)]
    list: bool,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Repeat as often as the promises say, which takes hours, and not as often as CI has time for
    #[arg(long)]
    long: bool,
    /// As root: run the VM's suites as this user only, who is made if there is none
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// Without VM and root, in seconds
    Unit,
    /// The page of the app against an app that is played, in node and in Chromium
    Page,
    /// The engine through its socket
    Engine,
    /// Published ports
    Ports,
    /// Host folders in containers; root runs it as an ordinary user
    Files,
    /// Edits on the host as inotify events in containers
    Events,
    /// Programs that run what was just saved
    Reload,
    /// Services of many replicas
    Swarm,
    /// Names of the host and of its network in containers
    Names,
    /// Registries, proxies, engine plugins
    Registry,
    /// Debuggers on processes in containers
    Debug,
    /// Wrong settings, missing and damaged parts, full disks, hostile clients
    Badinput,
    /// Very many connections, containers and ports
    Limits,
    /// Memory and disk that come back to the host
    Reclaim,
    /// Suspend and resume
    Suspend,
    /// Snapshots
    Snapshot,
    /// The app: its tray over D-Bus, its window by WebDriver
    Gui,
    /// Each part killed, and power cuts, at random moments
    Crash,
    /// What an ordinary user does first; root runs it as one
    User,
    /// The Debian package in clean systems: installed, used, upgraded, removed
    Installed,
}

/// The suites in a VM, by the names that the tests have.
const IN_VM: [(Suite, &str); 17] = [
    (Suite::Engine, "engine"),
    (Suite::Ports, "ports"),
    (Suite::Files, "files"),
    (Suite::Events, "events"),
    (Suite::Reload, "reload"),
    (Suite::Swarm, "swarm"),
    (Suite::Names, "names"),
    (Suite::Registry, "registry"),
    (Suite::Debug, "debug"),
    (Suite::Badinput, "badinput"),
    (Suite::Limits, "limits"),
    (Suite::Reclaim, "reclaim"),
    (Suite::Suspend, "suspend"),
    (Suite::Snapshot, "snapshot"),
    (Suite::Gui, "gui"),
    (Suite::Crash, "crash"),
    (Suite::User, "user"),
];

/// The user whom root's run makes for the suites that are about ordinary users.
const ORDINARY: &str = "coracle-test";

/// Those suites.
const ORDINARYS: [&str; 2] = ["files", "user"];

impl Options {
    fn wants(&self, suite: Suite) -> bool {
        self.suites.is_empty() || self.suites.contains(&suite)
    }
}

/// Runs what is asked for; an error after the last line when anything failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut tally = Tally::default();
    if options.wants(Suite::Unit) {
        if !options.list {
            apt::ensure(apt::TESTS)?;
            apt::ensure(apt::APP)?;
        }
        tally.run("unit", &mut unit(options)?)?;
    }
    if options.wants(Suite::Page) && options.filter.is_none() && !options.list {
        apt::ensure(apt::GUI_TESTS)?;
        tally.run("the page", &mut page::test("test")?)?;
        tally.run("the page in Chromium", &mut page::test("test:page")?)?;
    }
    let suites: Vec<_> = IN_VM
        .iter()
        .filter(|(suite, _)| options.wants(*suite))
        .collect();
    let names: Vec<_> = suites.iter().map(|(_, name)| *name).collect();
    if !names.is_empty()
        && let Err(error) = in_vm(options, &names, &mut tally)
    {
        eprintln!("error: {error:#}");
        tally.failed += 1;
    }
    if options.wants(Suite::Installed)
        && let Err(error) = installed::run(options, &mut tally)
    {
        eprintln!("error: {error:#}");
        tally.failed += 1;
    }
    if options.list {
        return Ok(());
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    match tally.failed {
        0 if tally.passed == 0 => bail!("no test has that name"),
        0 => Ok(()),
        _ => bail!("the tests failed"),
    }
}

fn unit(options: &Options) -> Result<Command> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(&options.filter)
        .current_dir(checkout::root()?);
    if options.list {
        cargo.args(["--", "--list"]);
    }
    Ok(cargo)
}

/// As the user who runs this; as root those that are about ordinary users as one of these.
fn in_vm(options: &Options, names: &[&str], tally: &mut Tally) -> Result<()> {
    let session = vm::Session::prepare(options.list, names.contains(&"gui"))?;
    let root = nix::unistd::geteuid().is_root();
    match &options.user {
        Some(_) if !root => bail!("only root can run the tests as another user: leave --as out"),
        Some(user) => ordinary_user::run(&session, user, names, options, tally),
        None if !root || options.list => session.run(names, options, tally),
        None => {
            let own: Vec<_> = names
                .iter()
                .copied()
                .filter(|name| !ORDINARYS.contains(name))
                .collect();
            if !own.is_empty() {
                session.run(&own, options, tally)?;
            }
            let is_ordinary = |name: &&str| ORDINARYS.contains(name);
            let ordinary: Vec<_> = names.iter().copied().filter(is_ordinary).collect();
            if ordinary.is_empty() {
                return Ok(());
            }
            ordinary_user::run(&session, ORDINARY, &ordinary, options, tally)
        }
    }
}
