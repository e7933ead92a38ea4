//! The VM's life.
//!
//! ```text
//!            start                hello                  engine answers
//!  Stopped ────────► Booting ─────────────► EngineStarting ◄────────► Running
//!     ▲                 ▲ │ never up            │          engine ends   │
//!     │          in time│ └──► Failed           │ stop, helper failed,   │
//!     │                 │         ▲             │ agent lost             │
//!     │            BackingOff     │ too often   ▼                        │
//!     │                 ▲         │          Stopping ◄──────────────────┘
//!     │                 └─────────┴─────────────┤
//!     └─────────────────────────────────────────┘ as its plan says
//! ```
//!
//! Each state is a file with a type that holds what lives as long as it: leaving a state
//! drops its tasks, and dropping the [`Machine`] ends the VM. A state takes an [`Input`] and
//! gives the next state; it never waits. What takes time runs in a task which reports a
//! [`RunEvent`], and those of an earlier VM are void.
//!
//! A stop leads from `Running` through `Suspending` to `Stopped` with the memory on the disk, which
//! clients see as suspended, and a start from there through `Booting`, whose guest is awake at once. A
//! suspension that fails leads back to `Running`.
//!
//! `Running` is left for `Snapshotting` while a snapshot is taken or deleted, and everything that
//! happens meanwhile but the VM's end happens after it. A restore ends whatever there is and starts; what it starts
//! from is on the disk (`snapshots`), so that it can be repeated.
//!
//! A VM that ends by itself in any state is started again after a growing pause
//! (`BackingOff`), until it has ended too often within a window (`Failed`).

mod backing_off;
mod booting;
mod config;
mod context;
mod crash;
mod engine_starting;
mod failed;
mod live;
mod machine;
mod prepare;
mod restore;
mod resume;
mod running;
mod snapshotting;
mod stopped;
mod stopping;
mod suspending;

use std::sync::Arc;

use coracle_daemon_api::{ApiError, ErrorCode, VmState};
use coracle_guest_api::mux::Opener;

use crate::event::RunEvent;

pub(crate) use context::{Context, Sockets};
pub(crate) use prepare::Prepared;
pub(crate) use restore::check_restorable;
pub(crate) use snapshotting::SnapshotWork;
use snapshotting::Snapshotting;

/// What a state reacts to.
pub(crate) enum Input {
    Start,
    /// Suspend where that can be, else as `Shutdown`.
    Stop,
    /// Stop in order, without saving the memory.
    Shutdown,
    Restart,
    /// End what there is, for the snapshot that is intended to be restored.
    Restore,
    /// Stop and delete the data disk.
    Reset,
    /// Somebody uses it, wherever it is.
    Wanted,
    Event(RunEvent),
}

enum State {
    Stopped(stopped::Stopped),
    Booting(booting::Booting),
    EngineStarting(engine_starting::EngineStarting),
    Running(running::Running),
    Stopping(stopping::Stopping),
    Suspending(Box<suspending::Suspending>),
    Snapshotting(Box<snapshotting::Snapshotting>),
    BackingOff(backing_off::BackingOff),
    Failed(failed::Failed),
}

impl State {
    fn on(self, context: &mut Context, input: Input) -> Self {
        match self {
            State::Stopped(state) => state.on(context, input),
            State::Booting(state) => state.on(context, input),
            State::EngineStarting(state) => state.on(context, input),
            State::Running(state) => state.on(context, input),
            State::Stopping(state) => state.on(context, input),
            State::Suspending(state) => state.on(context, input),
            State::Snapshotting(state) => state.on(context, input),
            State::BackingOff(state) => state.on(context, input),
            State::Failed(state) => state.on(context, input),
        }
    }
}

/// The VM of this daemon, wherever it is in its life.
pub(crate) struct Lifecycle {
    state: State,
    pub(crate) context: Context,
}

impl Lifecycle {
    /// Stopped.
    pub(crate) fn new(context: Context) -> Self {
        let state = State::Stopped(stopped::Stopped::default());
        Self { state, context }
    }

    /// Something happened to it.
    pub(crate) fn feed(&mut self, input: Input) {
        let before = self.state();
        let context = &mut self.context;
        if let Input::Event(RunEvent::Stage(stage, message)) = input {
            return context.announce(stage, message);
        }
        if matches!(input, Input::Wanted)
            && !matches!(&self.state, State::Stopped(_) | State::Suspending(_))
        {
            // It is on its way, or there.
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Stopped(stopped::Stopped::default()));
        self.state = state.on(context, input);
        if self.state() != before {
            tracing::info!(state = ?self.state(), "the VM changed state");
        }
    }

    /// Begins to work on a snapshot; the outcome is told through the context.
    pub(crate) fn snapshot(&mut self, work: SnapshotWork) -> Result<(), ApiError> {
        let refused = match (&self.state, &work) {
            (State::Snapshotting(_), _) => {
                "another snapshot is being taken or deleted: try again when that is done"
            }
            (State::Running(_), _) => {
                let state =
                    std::mem::replace(&mut self.state, State::Stopped(stopped::Stopped::default()));
                if let State::Running(running) = state {
                    self.state = Snapshotting::enter(&mut self.context, running, work);
                }
                return Ok(());
            }
            // What it has in the disk goes when the VM boots.
            (_, SnapshotWork::Delete(name)) => {
                let deleted = self.context.snapshots.delete(name);
                self.context.snapshot_outcome = Some(deleted);
                return Ok(());
            }
            (_, SnapshotWork::Take(_)) => {
                "a snapshot is taken of a VM that runs: `coracle start` starts it"
            }
        };
        Err(ApiError::new(ErrorCode::WrongState, refused))
    }

    /// Takes the event of one run, unless that is over.
    pub(crate) fn feed_event(&mut self, run: u64, event: RunEvent) {
        if run == self.context.run() {
            self.feed(Input::Event(event));
        }
    }

    /// Where it is, as clients see it.
    pub(crate) fn state(&self) -> VmState {
        match &self.state {
            State::Booting(_) | State::EngineStarting(_) if self.context.is_to_stop() => {
                VmState::Stopping
            }
            State::Stopped(_) if self.context.memory.exists() => VmState::Suspended,
            State::Stopped(_) => VmState::Stopped,
            State::Booting(_) | State::BackingOff(_) => VmState::Booting,
            State::EngineStarting(_) => VmState::EngineStarting,
            State::Snapshotting(state) if state.is_to_end() => VmState::Stopping,
            State::Running(_) | State::Snapshotting(_) => VmState::Running,
            State::Stopping(_) | State::Suspending(_) => VmState::Stopping,
            State::Failed(_) => VmState::Failed,
        }
    }

    /// Whether it is paused, or suspended, until somebody uses it.
    pub(crate) fn is_asleep(&self) -> bool {
        match &self.state {
            State::Stopped(state) => state.is_dozing(),
            _ => self.context.facts.vm.asleep,
        }
    }

    /// Why a stop would end what runs in the VM, one sentence; None where it suspends, and without a VM.
    pub(crate) fn cannot_suspend(&self) -> Option<String> {
        let why = match &self.state {
            State::EngineStarting(state) if !state.is_soon_up(&self.context) => {
                "its engine does not answer"
            }
            _ => suspending::why_not(&self.live()?.machine, &self.context).err()?,
        };
        Some(format!(
            "The VM cannot be suspended, only shut down: {why}."
        ))
    }

    /// Keys of the settings that the VM takes up at its next start, in the table's order.
    pub(crate) fn changed_settings(&self) -> Vec<String> {
        self.live().map_or_else(Vec::new, |live| {
            let started = &live.machine.origin.settings;
            started.changed_for_restart(&self.context.settings)
        })
    }

    /// Whether there will be a guest agent in a moment, or a reason why not.
    pub(crate) fn is_on_its_way(&self) -> bool {
        match &self.state {
            State::Booting(_) => true,
            State::Suspending(state) => state.is_until_wanted(),
            _ => false,
        }
    }

    /// Whether nothing of a VM is left.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Stopped(_) | State::Failed(_))
    }

    /// The VM itself, if there is one with a guest that has said hello.
    pub(crate) fn vm(&self) -> Option<(Arc<dyn coracle_vm_driver::Vm>, Opener)> {
        let live = self.live()?;
        Some((live.machine.vm.clone(), live.session.opener().clone()))
    }

    fn live(&self) -> Option<&live::Live> {
        match &self.state {
            State::EngineStarting(state) => Some(state.live()),
            State::Running(state) => Some(state.live()),
            State::Snapshotting(state) => Some(state.live()),
            _ => None,
        }
    }
}
