use std::time::Instant;

use super::requests::{self, Go};
use super::stops::Stop;
use super::thread::State;
use super::{STOP_WITHIN, Tracer};

impl Tracer {
    /// Lets the process go on as if nobody had been there.
    pub(crate) fn detach(mut self) {
        if let Err(error) = self.stop_all(Some(Instant::now() + STOP_WITHIN)) {
            tracing::warn!("a thread of {} does not stop: {error}", self.pid);
        }
        for stranger in std::mem::take(&mut self.strangers) {
            self.let_go(stranger);
        }
        self.breakpoints.clear(&self.memory);
        self.watchpoints.clear();
        for (tid, thread) in &self.threads {
            if thread.state != State::Stopped {
                continue;
            }
            if let Err(error) = self.watchpoints.apply(*tid) {
                tracing::debug!("thread {tid} keeps its debug registers: {error}");
            }
            let signal = match thread.pending {
                Some(Stop::Signal(signal)) => signal,
                _ => thread.reported,
            };
            requests::go(*tid, Go::Detach, signal);
        }
    }
}
