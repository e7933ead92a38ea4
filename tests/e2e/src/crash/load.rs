//! What the engine has to do while it is killed: all at once, records on a volume, containers that come and
//! go, and a service that is scaled.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually};

use super::record::{self, Files, Synced};
use super::write_log;
use crate::dice::Dice;
use crate::images::{self, BUSYBOX};

/// The volume of the records.
pub(super) const VOLUME: &str = "crash-records";

const SERVICE: &str = "crash-service";

/// A container that is started again whatever ends it.
const KEEPER: &str = "crash-keeper";

/// Its shared folder, as the test and as the container see it.
const SHARE: &str = "crash";
const SHARE_INSIDE: &str = "/share";

const MOUNT: &str = "crash-records:/records";

/// Appends each line of its input to a file, and tells of it when it is synced.
const WRITE: &str = "while read -r record; do
    echo \"$record\" >>\"/records/$1\" && sync \"/records/$1\" && echo \"${record%% *}\" || exit 1
done";

/// Before something is tried again that did not work, as nothing does while the engine is gone.
const PAUSE: Duration = Duration::from_millis(500);

/// So often is the service scaled.
const SCALE_EVERY: Duration = Duration::from_secs(3);

/// Makes what the load needs, on the disk too.
pub(super) fn prepare(coracle: &Coracle) -> Result<()> {
    images::busybox(coracle)?;
    clear(coracle)?;
    let docker = |args: &[&str]| coracle.docker(args.iter().copied());
    docker(&["swarm", "init"]).ok()?;
    docker(&[
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
    ])
    .args(["--name", SERVICE, "--stop-signal", "KILL", BUSYBOX])
    .args(["sleep", "1000000"])
    .ok()?;
    let share = format!("{}:{SHARE_INSIDE}", coracle.work(SHARE)?.display());
    coracle.background(
        ["--name", KEEPER, "--restart", "always", "--volume", MOUNT]
            .into_iter()
            .chain(["--volume", &share, BUSYBOX, "sleep", "1000000"]),
    )?;
    let sync = ["shell", "--", "busybox", "sync"];
    coracle.coracle(sync).ok().map(drop)
}

/// Takes away what is left of it, of an earlier test maybe.
pub(super) fn clear(coracle: &Coracle) -> Result<()> {
    let leave = ["swarm", "leave", "--force"];
    // There may be no swarm.
    let _ = coracle.docker(leave).run()?;
    coracle.remove_containers()?;
    let remove = ["volume", "rm", "--force", VOLUME];
    coracle.docker(remove).ok().map(drop)
}

/// What was there before is there: the engine's identity, its service, the container that is always started
/// again, its shared folder. Returns the records.
pub(super) fn look(coracle: &Coracle, engine: &str) -> Result<Files> {
    eventually("the engine of before", || {
        let now = identity(coracle)?;
        ensure!(now == engine, "{now} is not {engine}");
        Ok(())
    })?;
    let inspect = ["service", "inspect", SERVICE];
    eventually("the service", || coracle.docker(inspect).ok())?;
    let sign = coracle.home().join("work").join(SHARE).join("sign");
    let _ = std::fs::remove_file(&sign);
    let script = format!("touch {SHARE_INSIDE}/sign && tar -C /records -cf - .");
    let archive = eventually("the container that restarts always", || {
        coracle.docker(["exec", KEEPER, "sh", "-c", &script]).ok()
    })?;
    ensure!(sign.exists(), "the shared folder is another one");
    let mut files = Files::new();
    for file in tar::Archive::new(archive.stdout.as_slice()).entries()? {
        let mut file = file?;
        if file.header().entry_type().is_file() {
            let name = file.path()?.file_name().context("no name")?.to_owned();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes)?;
            files.insert(name.to_string_lossy().into_owned(), bytes);
        }
    }
    Ok(files)
}

/// What no engine has but one with this data disk.
pub(super) fn identity(coracle: &Coracle) -> Result<String> {
    let info = ["info", "--format", "{{.ID}} {{.Swarm.Cluster.ID}}"];
    coracle.docker(info).text()
}

pub(super) struct Load<'a> {
    coracle: &'a Coracle,
    /// The log of the data disk's writes, if there is one.
    log: Option<PathBuf>,
    synced: Mutex<Vec<Synced>>,
    containers: AtomicUsize,
    scalings: AtomicUsize,
    /// What did not work last.
    trouble: Mutex<String>,
    over: AtomicBool,
}

/// Runs the load as long as the body.
pub(super) fn under<T>(
    coracle: &Coracle,
    dice: &mut Dice,
    log: Option<PathBuf>,
    body: impl FnOnce(&Load, &mut Dice) -> Result<T>,
) -> Result<T> {
    let load = Load {
        coracle,
        log,
        synced: Mutex::default(),
        containers: AtomicUsize::new(0),
        scalings: AtomicUsize::new(0),
        trouble: Mutex::default(),
        over: AtomicBool::new(false),
    };
    let (mut of_records, mut of_scalings) = (dice.others(), dice.others());
    thread::scope(|scope| {
        // Also when the body panics: the threads are waited for.
        let _end = End(&load.over);
        scope.spawn(|| load.write_records(&mut of_records));
        scope.spawn(|| load.run_containers());
        scope.spawn(|| load.scale(&mut of_scalings));
        body(&load, dice)
    })
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

impl Load<'_> {
    /// All that was synced until now.
    pub(super) fn synced(&self) -> Vec<Synced> {
        let synced = self.synced.lock();
        synced.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until each part of it has done something more, and that many records are synced.
    pub(super) fn await_more(&self, records: usize) -> Result<()> {
        let done = || {
            let synced = self.synced().len();
            [
                synced,
                self.containers.load(SeqCst),
                self.scalings.load(SeqCst),
            ]
        };
        let [synced, containers, scalings] = done();
        let wanted = [synced + records, containers + 1, scalings + 1];
        eventually("more work", || {
            let done = done();
            let trouble = self.trouble.lock();
            ensure!(
                done.iter()
                    .zip(wanted)
                    .all(|(done, wanted)| *done >= wanted),
                "records, containers and scalings are {done:?} and should be {wanted:?}; what did not work last: {}",
                trouble.unwrap_or_else(PoisonError::into_inner)
            );
            Ok(())
        })
    }

    fn write_records(&self, dice: &mut Dice) {
        for file in 0.. {
            if self.is_over() {
                return;
            }
            let written = self.write_file(file, dice);
            self.note(written);
        }
    }

    /// Until the engine is killed, since the container's end of its input is lost then.
    fn write_file(&self, file: usize, dice: &mut Dice) -> Result<()> {
        let name = file.to_string();
        let run = ["run", "--rm", "--interactive", "--volume", MOUNT, BUSYBOX];
        let write = ["sh", "-c", WRITE, "sh", &name];
        let mut writer = Live::start(self.coracle.docker(run).args(write))?;
        for number in 0.. {
            if self.is_over() {
                break;
            }
            writer.write(record::line(number, dice).as_bytes())?;
            writer.line(|line| line == number.to_string())?;
            let entries = self.log.as_deref().map_or(Ok(0), write_log::entries)?;
            let synced = self.synced.lock();
            synced.unwrap_or_else(PoisonError::into_inner).push(Synced {
                file,
                number,
                entries,
            });
        }
        Ok(())
    }

    fn run_containers(&self) {
        while !self.is_over() {
            let run = self.coracle.docker(["run", "--rm", BUSYBOX, "true"]).ok();
            if self.note(run) {
                self.containers.fetch_add(1, SeqCst);
            }
        }
    }

    fn scale(&self, dice: &mut Dice) {
        while !self.is_over() {
            let scale = format!("{SERVICE}={}", dice.below(3));
            let scale = self
                .coracle
                .docker(["service", "scale", "--detach", &scale]);
            if self.note(scale.ok()) {
                self.scalings.fetch_add(1, SeqCst);
                thread::sleep(SCALE_EVERY);
            }
        }
    }

    /// Whether it worked; what did not is tried again after a pause.
    fn note<T>(&self, done: Result<T>) -> bool {
        if let Err(error) = &done {
            let trouble = self.trouble.lock();
            *trouble.unwrap_or_else(PoisonError::into_inner) = format!("{error:#}");
            thread::sleep(PAUSE);
        }
        done.is_ok()
    }

    fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }
}
