use nix::unistd::Pid;

use super::requests::{self, Go};
use super::stops::Stop;
use crate::breakpoints::Breakpoints;

/// One thread.
pub(super) struct Thread {
    pub(super) state: State,
    /// Why it has stopped; not yet reported.
    pub(super) pending: Option<Stop>,
    /// What it shall do when the process is resumed; nothing: it stays stopped.
    pub(super) want: Option<Want>,
    /// Whether it was told by itself what to do.
    pub(super) chosen: bool,
    /// The signal that it gets when it goes on; 0 for none.
    pub(super) deliver: i32,
    /// The signal whose delivery was reported and not yet decided on.
    pub(super) reported: i32,
    /// Whether a signal stopped the whole process, which then stays stopped for everybody.
    pub(super) group_stop: bool,
    /// Whether it has not stopped for the first time.
    pub(super) fresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Stopped,
    /// Ended, and kept by the kernel until the last thread ends.
    Dead,
}

/// What a thread shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Continue,
    Step,
}

impl Thread {
    /// One that runs and will be stopped.
    pub(super) fn running() -> Self {
        Self {
            state: State::Running,
            pending: None,
            want: Some(Want::Continue),
            chosen: false,
            deliver: 0,
            reported: 0,
            group_stop: false,
            fresh: true,
        }
    }

    /// Whether it has a stop that may be reported now.
    pub(super) fn has_news(&self) -> bool {
        self.pending.is_some() && self.want.is_some()
    }

    /// Drops a stop that has lost its cause while it waited.
    pub(super) fn forget_stale(&mut self, breakpoints: &Breakpoints) {
        let stale = match self.pending {
            Some(Stop::Breakpoint(address)) => !breakpoints.has(address),
            Some(Stop::Step) => self.want == Some(Want::Continue),
            _ => false,
        };
        if stale && self.want.is_some() {
            self.pending = None;
        }
    }

    /// Goes on, if it is stopped and shall.
    pub(super) fn let_run(&mut self, tid: Pid) {
        let (State::Stopped, None, Some(want)) = (self.state, self.pending, self.want) else {
            return;
        };
        let signal = std::mem::take(&mut self.deliver);
        let go = match want {
            Want::Continue if self.group_stop && signal == 0 => Go::Listen,
            Want::Continue => Go::Continue,
            Want::Step => Go::Step,
        };
        self.state = State::Running;
        // A thread that was killed meanwhile cannot go on; its status is on the way.
        requests::go(tid, go, signal);
    }
}
