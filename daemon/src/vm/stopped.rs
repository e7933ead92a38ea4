use coracle_daemon_api::{ApiError, Stage};

use super::booting::Booting;
use super::{Context, Input, State};
use crate::disks;

/// No VM, and nobody wants one. Its memory may be on the disk.
#[derive(Default)]
pub(super) struct Stopped {
    /// It was suspended because nobody used it: its sockets and ports are open, and whoever uses them
    /// brings it back.
    dozing: bool,
}

impl Stopped {
    pub(super) fn enter(context: &mut Context) -> State {
        context.facts.recovering = None;
        context.when_up = None;
        context.engine_down(match context.memory.exists() {
            true => "the VM is suspended: `coracle start` resumes it",
            false => "the VM is stopped: `coracle start` starts it",
        });
        State::Stopped(Self::default())
    }

    /// Suspended, until it is wanted.
    pub(super) fn doze(context: &mut Context) -> State {
        context.facts.recovering = None;
        context.when_up = None;
        State::Stopped(Self { dozing: true })
    }

    pub(super) fn is_dozing(&self) -> bool {
        self.dozing
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        if self.dozing && !matches!(input, Input::Start | Input::Wanted | Input::Event(_)) {
            context.sockets.forwarder.clear();
        }
        match input {
            Input::Start => {
                context.forgive();
                Booting::enter(context)
            }
            Input::Wanted if self.dozing => {
                tracing::info!("somebody uses the suspended VM");
                context.forgive();
                Booting::enter(context)
            }
            Input::Stop => Self::enter(context),
            Input::Restart => {
                forget_memory(context);
                context.forgive();
                Booting::enter(context)
            }
            Input::Restore => {
                // They are in the guest that is given up.
                context.sockets.debugging.clear();
                context.forgive();
                Booting::enter(context)
            }
            Input::Shutdown => {
                forget_memory(context);
                Self::enter(context)
            }
            Input::Reset => {
                context.facts.last_error = None;
                forget_memory(context);
                context.delete_data();
                Self::enter(context)
            }
            Input::Wanted | Input::Event(_) => State::Stopped(self),
        }
    }
}

/// A suspended VM is given up; what it had written is on its disk.
fn forget_memory(context: &mut Context) {
    if let Err(error) = context.snapshots.settle() {
        tracing::warn!(%error, "a restore is still intended");
    }
    if !context.memory.exists() {
        return;
    }
    context.announce(Stage::Stopping, "The suspended VM is given up");
    context.sockets.debugging.clear();
    if let Err(error) = context.memory.delete() {
        let error = ApiError::host("cannot delete the memory of the suspended VM", &error);
        context.facts.last_error = Some(error);
    }
    disks::remove_config(&context.paths.config_disk());
}
