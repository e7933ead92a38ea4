//! SIGKILL to each part, at random moments under load.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::load::{self, Load};
use super::record;
use crate::dice::{self, Dice};
use crate::suite;

/// After the load has found its way.
const MOMENT: Duration = Duration::from_secs(3);

/// Between two kills.
const RECORDS: usize = 5;

#[derive(Debug)]
enum Victim {
    Daemon,
    /// A process of that name that the daemon has started.
    OfDaemon(String),
    /// A process of that name in the VM.
    InGuest(&'static str),
}

const IN_GUEST: [&str; 3] = ["dockerd", "containerd", "containerd-shim-runc-v2"];

pub(super) fn each_part_killed_at_random_moments(coracle: &Coracle) -> Result<()> {
    dice::with(|dice| {
        load::prepare(coracle)?;
        let engine = load::identity(coracle)?;
        load::under(coracle, dice, None, |load, dice| {
            load.await_more(RECORDS)?;
            for round in 0..suite::times(1, 5) {
                for victim in victims(coracle)? {
                    kill_one(coracle, load, &victim, &engine, dice)
                        .with_context(|| format!("round {round}, {victim:?} killed"))?;
                }
            }
            Ok(())
        })?;
        load::clear(coracle)
    })
}

fn kill_one(
    coracle: &Coracle,
    load: &Load,
    victim: &Victim,
    engine: &str,
    dice: &mut Dice,
) -> Result<()> {
    thread::sleep(dice.moment(MOMENT));
    let begun = Instant::now();
    victim.kill(coracle, dice)?;
    coracle.await_running()?;
    let answers = begun.elapsed();
    load.await_more(RECORDS)?;
    let synced = load.synced();
    let files = load::look(coracle, engine)?;
    eprintln!(
        "{victim:?}: the engine answers after {answers:.1?}, all is looked at after {:.1?}, {} records",
        begun.elapsed(),
        synced.len()
    );
    record::judge(&files, &synced)
}

/// One of each kind. The daemon comes first: a new one starts the VM again as often as if it had never ended.
fn victims(coracle: &Coracle) -> Result<Vec<Victim>> {
    let kinds = kinds(coracle)?;
    // None is forgotten for its name.
    for name in ["qemu-system", "virtiofsd"] {
        let known = process::of_state_named(&coracle.paths().home().to_string_lossy(), name);
        ensure!(
            kinds
                .values()
                .any(|ids| ids.iter().any(|id| known.contains(id))),
            "there is no {name} among {kinds:?}"
        );
    }
    Ok(std::iter::once(Victim::Daemon)
        .chain(kinds.into_keys().map(Victim::OfDaemon))
        .chain(IN_GUEST.map(Victim::InGuest))
        .collect())
}

/// The processes that descend from the daemon, whatever they are, by their names.
fn kinds(coracle: &Coracle) -> Result<BTreeMap<String, Vec<u32>>> {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for id in process::descendants(coracle.daemon()?) {
        if let Some(name) = process::name(id) {
            kinds.entry(name).or_default().push(id);
        }
    }
    Ok(kinds)
}

impl Victim {
    /// Kills it, and returns when it is noticed that it is gone.
    fn kill(&self, coracle: &Coracle, dice: &mut Dice) -> Result<()> {
        match self {
            Self::Daemon => kill_daemon(coracle),
            Self::OfDaemon(name) => kill_of_daemon(coracle, name, dice),
            Self::InGuest(name) => kill_in_guest(coracle, name, dice),
        }
    }
}

/// Who started it starts it again; nobody else may.
fn kill_daemon(coracle: &Coracle) -> Result<()> {
    let (before, vm) = (coracle.daemon()?, hypervisor(coracle)?);
    process::kill(before)?;
    eventually("an honest status", || {
        let status = coracle.coracle(["status"]).run()?;
        ensure!(
            status.status.code() == Some(9),
            "{}\n{}",
            status.status,
            status.all()
        );
        Ok(())
    })?;
    coracle.coracle(["start"]).ok()?;
    coracle.await_running()?;
    ensure!(coracle.daemon()? != before, "the daemon is the same");
    ensure!(
        !process::is_alive(vm),
        "the first hypervisor {vm} still runs"
    );
    hypervisor(coracle).map(drop)
}

/// It takes the VM with it, which is started again.
fn kill_of_daemon(coracle: &Coracle, name: &str, dice: &mut Dice) -> Result<()> {
    let restarts = |status: &serde_json::Value| status["vm"]["restarts"].as_u64();
    let before = restarts(&coracle.status()?).context("no count of restarts")?;
    let vm = hypervisor(coracle)?;
    let ids = kinds(coracle)?.remove(name).unwrap_or_default();
    process::kill(dice.one_of(&ids).context("it has ended")?)?;
    eventually("another hypervisor", || {
        ensure!(hypervisor(coracle)? != vm, "it is the same");
        Ok(())
    })?;
    ensure!(!process::is_alive(vm), "{vm} still runs");
    let status = coracle.await_running()?;
    ensure!(restarts(&status) > Some(before), "not counted: {status}");
    Ok(())
}

fn kill_in_guest(coracle: &Coracle, name: &str, dice: &mut Dice) -> Result<()> {
    let ids = || -> Result<Vec<u32>> {
        let list = coracle.coracle(["shell", "--", "busybox", "pidof", name]);
        let ids = list.text()?;
        Ok(ids
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?)
    };
    // Some live for a moment only.
    let victim = eventually(&format!("a kill of {name}"), || {
        let victim = dice.one_of(&ids()?).context("there is none")?;
        let kill = ["shell", "--", "kill", "-9", &victim.to_string()];
        coracle.coracle(kill).ok()?;
        Ok(victim)
    })?;
    eventually(&format!("another {name}"), || {
        let now = ids()?;
        ensure!(!now.is_empty() && !now.contains(&victim), "still {now:?}");
        Ok(())
    })
}

fn hypervisor(coracle: &Coracle) -> Result<u32> {
    let home = coracle.paths().home().display().to_string();
    match process::of_state_named(&home, "qemu-system").as_slice() {
        [id] => Ok(*id),
        ids => anyhow::bail!("there should be one hypervisor: {ids:?}"),
    }
}
