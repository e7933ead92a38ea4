use std::mem::{Discriminant, discriminant};
use std::path::PathBuf;
use std::sync::Arc;

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::Opener;
use coracle_guest_api::status::{AgentEvent, EngineState};
use coracle_vm_driver::{Snapshots as Disk, Vm, VmDriver, VmEvent};
use tokio::time::timeout;

use super::live::Live;
use super::machine::describe;
use super::prepare::{blocking, driver_error};
use super::running::Running;
use super::{Context, Input, State};
use crate::clock::HostClock;
use crate::disks;
use crate::event::{Reporter, RunEvent};
use crate::memory::{self, Fit, Greeting, Token};
use crate::options::Limits;
use crate::snapshots::{Entry, Snapshots};
use crate::task::Task;

/// What is to be done about a snapshot of this name.
pub(crate) enum SnapshotWork {
    Take(String),
    Delete(String),
}

/// The engine answers, and a snapshot is taken or deleted.
pub(super) struct Snapshotting {
    running: Running,
    /// Ends in bounded time.
    _task: Task,
    /// What happens after it: none of it may end the task halfway.
    later: Vec<Input>,
}

impl Snapshotting {
    pub(super) fn enter(context: &mut Context, running: Running, work: SnapshotWork) -> State {
        let reporter = context.reporter();
        let task = match work {
            SnapshotWork::Take(name) => match Taking::new(context, running.live(), name) {
                Ok(taking) => Task::spawn(async move {
                    let taken = taking.take(&reporter).await;
                    reporter.send(RunEvent::Snapshot(taken)).await;
                }),
                Err(error) => {
                    context.snapshot_outcome = Some(Err(error));
                    return State::Running(running);
                }
            },
            SnapshotWork::Delete(name) => {
                let (vm, snapshots) =
                    (running.live().machine.vm.clone(), context.snapshots.clone());
                Task::spawn(async move {
                    let deleted = snapshots.delete(&name);
                    if let (Ok(()), Some(disk)) = (&deleted, vm.snapshots()) {
                        keep_only(disk, &snapshots).await;
                    }
                    reporter.send(RunEvent::Snapshot(deleted)).await;
                })
            }
        };
        State::Snapshotting(Box::new(Self {
            running,
            _task: task,
            later: Vec::new(),
        }))
    }

    pub(super) fn live(&self) -> &Live {
        self.running.live()
    }

    /// Whether someone wants the VM to end.
    pub(super) fn is_to_end(&self) -> bool {
        self.later
            .iter()
            .any(|input| !matches!(input, Input::Start | Input::Event(_)))
    }

    pub(super) fn on(mut self, context: &mut Context, input: Input) -> State {
        let state = match input {
            Input::Event(RunEvent::Snapshot(outcome)) => {
                self.live().session.clock_is_behind();
                context.snapshot_outcome = Some(outcome);
                State::Running(self.running)
            }
            Input::Event(RunEvent::Driver(VmEvent::Exited(reason))) => {
                let why = format!("the VM ended before it was done: {}", describe(&reason));
                context.snapshot_outcome = Some(Err(ApiError::new(ErrorCode::VmFailed, why)));
                let exited = Input::Event(RunEvent::Driver(VmEvent::Exited(reason)));
                self.running.on(context, exited)
            }
            input => {
                note(&mut self.later, input);
                return State::Snapshotting(Box::new(self));
            }
        };
        let later = self.later.into_iter();
        later.fold(state, |state, input| state.on(context, input))
    }
}

/// Keeps the input for later. The guest may report as often as it likes: of reports that say the same kind
/// of thing only the last one counts.
fn note(later: &mut Vec<Input>, input: Input) {
    if let Some(new) = report(&input) {
        later.retain(|earlier| report(earlier) != Some(new));
    }
    later.push(input);
}

type Report = (Discriminant<AgentEvent>, Option<Discriminant<EngineState>>);

/// What kind of report of the guest it is.
fn report(input: &Input) -> Option<Report> {
    let Input::Event(RunEvent::Agent(event)) = input else {
        return None;
    };
    let engine = match event {
        AgentEvent::Engine(state) => Some(discriminant(state)),
        AgentEvent::Degraded { .. } => None,
    };
    Some((discriminant(event), engine))
}

/// A snapshot of the running VM.
struct Taking {
    name: String,
    fit: Fit,
    vm: Arc<dyn Vm>,
    opener: Opener,
    driver: Arc<dyn VmDriver>,
    snapshots: Snapshots,
    data_disk: PathBuf,
    config_disk: PathBuf,
    limits: Limits,
    clock: HostClock,
}

impl Taking {
    fn new(context: &Context, live: &Live, name: String) -> Result<Self, ApiError> {
        let origin = &live.machine.origin;
        let host = context.facts.host.as_ref();
        let fit = origin
            .fit
            .clone()
            .filter(|_| host.is_some_and(|host| host.capabilities.snapshots))
            .ok_or_else(unsupported)?;
        if !origin.settings.is_same_machine(&context.settings) {
            return Err(ApiError::new(
                ErrorCode::WrongState,
                "settings have changed that the VM does not have yet, and a snapshot of it would not fit them: \
                 `coracle restart` first",
            ));
        }
        Ok(Self {
            name,
            fit,
            vm: live.machine.vm.clone(),
            opener: live.session.opener().clone(),
            driver: context.options.driver.clone(),
            snapshots: context.snapshots.clone(),
            data_disk: context.paths.data_disk(),
            config_disk: context.paths.config_disk(),
            limits: context.options.limits,
            clock: context.options.clock,
        })
    }

    /// From the running VM to a snapshot that counts; of one that fails nothing is left.
    async fn take(self, reporter: &Reporter) -> Result<(), ApiError> {
        let stage = |text: &str| RunEvent::Stage(Stage::Snapshot, text.into());
        let disk = self.vm.snapshots().ok_or_else(unsupported)?;
        let usage = self.vm.usage().await.map_err(driver_error)?;
        let part = self.snapshots.begin(&self.name, usage.resident_bytes)?;
        part.keep_config(&self.config_disk)
            .map_err(|error| ApiError::host("cannot copy the configuration disk", &error))?;
        self.put_on_layer(disk).await?;
        keep_only(disk, &self.snapshots).await;
        let token: Token = rand::random();
        let tag: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        reporter
            .send(stage("Writing the guest's files to its disk"))
            .await;
        // The agent expects to be called back for as long as this stream is open.
        let listening = self.ask(token).await?;
        reporter
            .send(stage("Saving the memory; the VM goes on meanwhile"))
            .await;
        let pause = disk
            .take(&part.memory(), &tag)
            .await
            .map_err(driver_error)?;
        drop(listening);
        tracing::info!(?pause, name = self.name, "the VM was paused for a snapshot");
        reporter.send(stage("Writing the memory to the disk")).await;
        let pause_ms = pause.as_millis() as u64;
        let taken_s = self.clock.unix_ns() / 1_000_000_000;
        blocking(move || {
            let greeting = Greeting {
                token,
                recall: true,
            };
            let disk = disks::written(&self.data_disk);
            // All of it is for the daemon to check: a restore must know before it gives the VM up.
            let record = memory::sealed(&part.memory(), &disk, self.fit, greeting, 0)
                .map_err(|error| ApiError::host("cannot write the VM's memory", &error))?;
            part.commit(&Entry::new(taken_s, pause_ms, tag, record))
        })
        .await
    }

    /// From the first snapshot on the data disk has a layer.
    async fn put_on_layer(&self, disk: &dyn Disk) -> Result<(), ApiError> {
        let layer = disks::layer(&self.data_disk);
        if !layer.exists() {
            let layers = self.driver.layers().ok_or_else(unsupported)?;
            // Half a layer under its name would be in the way of every start.
            let part = layer.with_extension("part");
            let created = layers.create(&self.data_disk, &part).await;
            created.map_err(driver_error)?;
            blocking({
                let layer = layer.clone();
                move || {
                    disks::name_layer(&part, &layer)
                        .map_err(|error| ApiError::host("cannot make the disk's layer", &error))
                }
            })
            .await?;
        }
        // It stays also when that fails: QEMU may have put it on all the same, and an empty one does no harm.
        disk.put_on(&layer).await.map_err(driver_error)
    }

    async fn ask(&self, token: Token) -> Result<impl Drop + use<>, ApiError> {
        let failed = |why: String| {
            let why = format!("no snapshot can be taken: {why}");
            ApiError::new(ErrorCode::VmFailed, why)
        };
        let order = StreamHeader::Snapshot { token };
        let bound = self.limits.sync;
        match timeout(bound, self.opener.open(&order)).await {
            Ok(Ok((stream, _))) => Ok(stream),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!(
                "the guest has not written everything to its disk within {} s: try again",
                bound.as_secs()
            ))),
        }
    }
}

/// Deletes in the disk what no snapshot names. What cannot be deleted now is at the next occasion.
async fn keep_only(disk: &dyn Disk, snapshots: &Snapshots) {
    let kept = match snapshots.tags() {
        Ok(tags) => disk.keep(&tags).await.map_err(driver_error),
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "the disk may keep more than the snapshots need");
    }
}

pub(super) fn unsupported() -> ApiError {
    ApiError::new(
        ErrorCode::Missing,
        "snapshots take QEMU 9.0, virtiofsd 1.13 and qemu-img (package qemu-utils), or newer: install \
         them, then `coracle restart`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_guests_reports_the_last_of_each_kind_is_kept() {
        let engine = |state| Input::Event(RunEvent::Agent(AgentEvent::Engine(state)));
        let degraded = |reason: String| {
            Input::Event(RunEvent::Agent(AgentEvent::Degraded {
                reasons: vec![reason],
            }))
        };
        let mut later = vec![Input::Start];
        for exits in 0..100 {
            let reason = format!("exit {exits}");
            note(&mut later, degraded(reason.clone()));
            note(
                &mut later,
                engine(EngineState::Restarting { exits, reason }),
            );
            note(&mut later, engine(EngineState::Ready));
        }
        note(&mut later, Input::Stop);
        assert!(matches!(
            &later[..],
            [
                Input::Start,
                Input::Event(RunEvent::Agent(AgentEvent::Degraded { reasons })),
                Input::Event(RunEvent::Agent(AgentEvent::Engine(EngineState::Restarting {
                    exits: 99,
                    ..
                }))),
                Input::Event(RunEvent::Agent(AgentEvent::Engine(EngineState::Ready))),
                Input::Stop,
            ] if reasons[..] == ["exit 99"]
        ));
    }
}
