//! Memory and devices to a file and back, by QEMU's migration. Why in two forms:
//! `docs/adr/0009-memory-and-disk-come-back.md` and `docs/adr/0010-snapshots.md`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use coracle_vm_driver::DriverError;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::host::cause;
use crate::qmp::Qmp;
use crate::ram::Ram;

/// Gigabytes to a slow disk; who hangs is given up.
const WITHIN: Duration = Duration::from_secs(600);

/// How often QEMU is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a file holds memory and devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Of a guest at rest: the memory as the driver copies it ([`Ram`]), then the devices, of QEMU's migration
    /// without shared memory (`x-ignore-shared`).
    Copied,
    /// Of a guest that ran meanwhile, which QEMU alone can follow: both of its migration, in which
    /// every page has its place in the sparse file (`mapped-ram`).
    Mapped,
}

impl Form {
    /// That of a file. What has neither is left to [`Ram::load`], which says so.
    pub(crate) fn of(memory: &Path) -> Self {
        let mut magic = [0; 4];
        let read = File::open(memory).and_then(|mut file| file.read_exact(&mut magic));
        match read.is_ok() && magic == *b"QEVM" {
            true => Self::Mapped,
            false => Self::Copied,
        }
    }

    /// QEMU's part of a file with this memory.
    fn uri(self, ram: &Ram, memory: &Path) -> Result<String, DriverError> {
        let path = memory.to_str().ok_or_else(|| {
            let path = memory.display();
            DriverError::Config(format!("{path} cannot hold memory: it is not valid UTF-8"))
        })?;
        let offset = match self {
            Self::Copied => ram.end(),
            Self::Mapped => 0,
        };
        Ok(format!("file:{path},offset={offset}"))
    }
}

/// Writes the stopped guest's memory and devices to `memory`. Returns where the part with a checksum ends.
pub(crate) async fn save(qmp: &Qmp, ram: &Ram, memory: &Path) -> Result<u64, DriverError> {
    prepare(qmp, Form::Copied, false).await?;
    let channel = json!({"uri": Form::Copied.uri(ram, memory)?});
    qmp.execute_with("migrate", channel).await?;
    if let Err(error) = finish(qmp).await {
        cancel(qmp).await;
        return Err(error);
    }
    // Last: by now nothing of QEMU writes to it any more.
    let saved = copy(ram, memory, Ram::save).await;
    saved.map_err(|source| DriverError::Io {
        context: "the guest's memory could not be written".into(),
        source,
    })?;
    Ok(ram.end())
}

/// How long a guest may write its memory anew faster than it is saved, before it is paused for the rest.
const LIVE: Duration = Duration::from_secs(30);

/// What may be left to be written with the guest at rest.
const REST: Duration = Duration::from_millis(50);

/// Writes the running guest's memory and devices to `memory`. `at_rest` is done at the instant whose memory it
/// is; the guest is paused then, and when this returns. Returns when it was last seen running.
pub(crate) async fn save_live(
    qmp: &Qmp,
    ram: &Ram,
    memory: &Path,
    at_rest: impl Future<Output = Result<(), DriverError>>,
) -> Result<Instant, DriverError> {
    prepare(qmp, Form::Mapped, true).await?;
    let channel = json!({"uri": Form::Mapped.uri(ram, memory)?});
    let mut ran = Instant::now();
    let pausing = async {
        qmp.execute_with("migrate", channel).await?;
        let hurry = Instant::now() + LIVE;
        let mut hurried = false;
        loop {
            let looked = Instant::now();
            match Progress::of(qmp).await? {
                Progress::AtRest => break,
                Progress::Done => {
                    let why = "QEMU did not wait with the guest at rest";
                    return Err(failed(why));
                }
                Progress::Underway if hurried => {}
                Progress::Underway => ran = looked,
            }
            if looked > hurry + WITHIN {
                return Err(DriverError::Timeout {
                    what: "with the memory",
                    after: LIVE + WITHIN,
                });
            }
            if !hurried && looked > hurry {
                hurried = true;
                qmp.execute("stop").await?;
            }
            sleep(LOOK_EVERY).await;
        }
        let began = Instant::now();
        at_rest.await?;
        let kept = began.elapsed();
        let state = json!({"state": "pre-switchover"});
        qmp.execute_with("migrate-continue", state).await?;
        finish(qmp).await?;
        let rest = began.elapsed() - kept;
        tracing::info!(to_rest = ?(began - ran), disk = ?kept, ?rest, "the guest was at rest");
        Ok(())
    };
    match pausing.await {
        Ok(()) => Ok(ran),
        Err(error) => {
            cancel(qmp).await;
            Err(error)
        }
    }
}

/// How long QEMU may take after a migration until it takes the order to go on.
const GOES_ON: Duration = Duration::from_secs(10);

/// Lets the guest go on. A migration that tells that it is done is not yet done with the guest, and QEMU refuses then.
pub(crate) async fn go_on(qmp: &Qmp) -> Result<(), DriverError> {
    let deadline = Instant::now() + GOES_ON;
    loop {
        match qmp.execute("cont").await {
            Err(error) if Instant::now() < deadline => tracing::debug!(%error, "not yet"),
            outcome => return outcome.map(drop),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until nothing more is written: the guest can only go on then.
async fn cancel(qmp: &Qmp) {
    let _ = qmp.execute("migrate_cancel").await;
    let deadline = Instant::now() + WITHIN;
    while Instant::now() < deadline
        && matches!(
            Progress::of(qmp).await,
            Ok(Progress::Underway | Progress::AtRest)
        )
    {
        sleep(LOOK_EVERY).await;
    }
}

/// Reads the driver's part of the guest's memory, if there is one; it must be there before [`load`] begins:
/// devices read their rings in it.
pub(crate) async fn fill(form: Form, ram: &Ram, memory: &Path) -> Result<(), DriverError> {
    if form == Form::Mapped {
        return Ok(());
    }
    let filled = copy(ram, memory, Ram::load).await;
    filled.map_err(|error| DriverError::Start(format!("its memory cannot be used: {error}")))
}

/// Reads QEMU's part into a QEMU that was started with `-incoming defer`; it ends if that does not fit.
pub(crate) async fn load(
    qmp: &Qmp,
    form: Form,
    ram: &Ram,
    memory: &Path,
) -> Result<(), DriverError> {
    prepare(qmp, form, false).await?;
    let channel = json!({"uri": form.uri(ram, memory)?});
    qmp.execute_with("migrate-incoming", channel).await?;
    finish(qmp).await
}

async fn copy(ram: &Ram, memory: &Path, way: fn(&Ram, &Path) -> io::Result<()>) -> io::Result<()> {
    let (ram, memory) = (ram.clone(), memory.to_owned());
    let copied = tokio::task::spawn_blocking(move || way(&ram, &memory)).await;
    copied.unwrap_or_else(|error| Err(error.into()))
}

/// All of it each time: the same QEMU may save in one form after the other.
async fn prepare(qmp: &Qmp, form: Form, live: bool) -> Result<(), DriverError> {
    let capabilities = json!([
        {"capability": "mapped-ram", "state": form == Form::Mapped},
        {"capability": "x-ignore-shared", "state": form == Form::Copied},
        {"capability": "pause-before-switchover", "state": live},
    ]);
    let arguments = json!({"capabilities": capabilities});
    qmp.execute_with("migrate-set-capabilities", arguments)
        .await?;
    // A file has no bandwidth to be spared. The guest is paused when the rest takes this time.
    let arguments = json!({"max-bandwidth": 0, "downtime-limit": REST.as_millis() as u64});
    qmp.execute_with("migrate-set-parameters", arguments)
        .await
        .map(drop)
}

async fn finish(qmp: &Qmp) -> Result<(), DriverError> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match Progress::of(qmp).await? {
            Progress::Done => return Ok(()),
            _ if Instant::now() > deadline => {
                return Err(DriverError::Timeout {
                    what: "with the memory",
                    after: WITHIN,
                });
            }
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

/// How far a migration is.
enum Progress {
    Underway,
    /// All but the last bit is written, the guest is paused and QEMU waits.
    AtRest,
    Done,
}

impl Progress {
    /// One that has failed is an error.
    async fn of(qmp: &Qmp) -> Result<Self, DriverError> {
        let migration = qmp.execute("query-migrate").await?;
        match migration["status"].as_str().unwrap_or_default() {
            "completed" => Ok(Self::Done),
            "pre-switchover" => Ok(Self::AtRest),
            "failed" | "cancelled" => {
                let why = migration["error-desc"].as_str();
                Err(failed(why.unwrap_or("no reason told")))
            }
            _ => Ok(Self::Underway),
        }
    }
}

fn failed(why: &str) -> DriverError {
    DriverError::Io {
        context: "QEMU could not move the memory".into(),
        source: cause(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        assert_eq!(Form::of(&path), Form::Copied, "whose reader refuses it");
        for (bytes, form) in [
            ("QEVM\0\0\0\x03", Form::Mapped),
            ("coracle memory 1", Form::Copied),
            ("QE", Form::Copied),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Form::of(&path), form);
        }
    }

    #[test]
    fn the_part_of_qemu_is_after_that_of_the_driver() {
        let ram = Ram::new(1 << 20).unwrap();
        let uri = |form: Form| form.uri(&ram, Path::new("/m")).unwrap();
        assert_eq!(uri(Form::Mapped), "file:/m,offset=0");
        assert_eq!(uri(Form::Copied), format!("file:/m,offset={}", ram.end()));
    }
}
