//! What the daemon's loop reacts to.

use coracle_daemon_api::{
    ApiError, Progress, Reclaimed, Setting, SettingChange, SettingsChanged, Stage, StartOptions,
    Status, StopOptions,
};
use coracle_guest_api::HelloReply;
use coracle_guest_api::mux::Opener;
use coracle_guest_api::status::{AgentEvent, AgentStatus};
use coracle_vm_driver::{ByteStream, RunningVm, VmEvent, VmUsage};
use tokio::sync::{mpsc, oneshot};

use crate::guest::NotLeft;
use crate::vm::Prepared;

/// Everything that can happen to the daemon.
pub(crate) enum Event {
    /// A client asks.
    Request(Request),
    /// Something of one attempt to run a VM; those of an earlier attempt are void.
    Vm { run: u64, event: RunEvent },
    /// A snapshot was looked at which a client wants the VM to go on from.
    Restorable {
        name: String,
        fits: Result<(), ApiError>,
        progress: ProgressSender,
    },
    /// The engine was shown the configuration that follows from a change of settings.
    Vetted {
        wishes: Vec<SettingChange>,
        /// Its words, if it refuses it.
        refusal: Option<String>,
        reply: oneshot::Sender<Result<SettingsChanged, ApiError>>,
    },
    /// The table of ports is another one.
    PortsChanged,
    /// Whether all file events are told is another answer.
    FilesChanged,
    /// Somebody uses a VM that was suspended because nobody did.
    Wanted,
    /// There is another list of debug sessions.
    DebuggingChanged,
    /// The process was asked to end.
    Terminate,
}

/// What clients ask; a reply channel that nobody reads any more is no error.
pub(crate) enum Request {
    Status(oneshot::Sender<Status>),
    Start(StartOptions, ProgressSender),
    Stop(StopOptions, ProgressSender),
    Restart(StartOptions, ProgressSender),
    Reset(ProgressSender),
    Settings(oneshot::Sender<Result<Vec<Setting>, ApiError>>),
    Change(
        Vec<SettingChange>,
        oneshot::Sender<Result<SettingsChanged, ApiError>>,
    ),
    Reclaim(oneshot::Sender<Result<Reclaimed, ApiError>>),
    /// Takes a snapshot under this name.
    TakeSnapshot(String, ProgressSender),
    RestoreSnapshot(String, ProgressSender),
    DeleteSnapshot(String, ProgressSender),
    /// A way to the guest agent.
    Agent(oneshot::Sender<Result<Opener, ApiError>>),
}

/// Few lines for each action, so it needs no bound.
pub(crate) type ProgressSender = mpsc::UnboundedSender<Progress>;

/// What the tasks of a VM report.
pub(crate) enum RunEvent {
    Stage(Stage, String),
    Prepared(Result<Box<Prepared>, ApiError>),
    Started(Result<RunningVm, ApiError>),
    Driver(VmEvent),
    Hello(Result<(HelloReply, Box<dyn ByteStream>), ApiError>),
    Agent(AgentEvent),
    /// Of the session with this number.
    TransportEnded(u64),
    /// The agent has left the transport, to be suspended.
    Left(Result<Box<dyn ByteStream>, NotLeft>),
    /// The memory is on the disk and the VM gone; or it is paused no more.
    Saved(Result<(), ApiError>),
    /// A snapshot was taken or deleted, or not.
    Snapshot(Result<(), ApiError>),
    EngineAnswered(EngineFacts),
    /// The VM was put to sleep, or has been woken.
    Asleep(bool),
    /// What it takes from the host, and of the processors in percent of one.
    Taken(VmUsage, u64),
    /// It has slept for long, and nobody has anything open that ends with its memory's way to the disk.
    Unused,
    /// A [`Deadline`](crate::vm::Deadline) has passed.
    Deadline(u64),
    /// The agent did not take the order to shut down.
    ShutdownRefused,
    /// The VM was killed, as far as the driver can tell.
    Killed,
}

/// What is asked once the engine is up.
pub(crate) struct EngineFacts {
    pub(crate) version: String,
    pub(crate) guest: Box<AgentStatus>,
}

/// Sends the events of one attempt.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) run: u64,
    pub(crate) events: mpsc::Sender<Event>,
}

impl Reporter {
    /// Waits for room; when the loop has ended nobody cares.
    pub(crate) async fn send(&self, event: RunEvent) {
        let event = Event::Vm {
            run: self.run,
            event,
        };
        let _ = self.events.send(event).await;
    }
}
