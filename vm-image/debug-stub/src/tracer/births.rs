//! Threads and processes that the process makes: threads are kept, processes let go.

use nix::libc;
use nix::unistd::Pid;

use super::Tracer;
use super::requests::{self, Go};
use super::thread::{State, Thread};
use crate::memory::Memory;
use crate::proc;

impl Tracer {
    /// A thread of ours told of a birth, or of the end of a vfork.
    pub(super) fn on_birth(&mut self, parent: Pid, event: i32) {
        match event {
            libc::PTRACE_EVENT_VFORK_DONE => self.breakpoints.lower(&self.memory),
            libc::PTRACE_EVENT_VFORK => {
                // Parent and child share the memory until the child has another program.
                self.breakpoints.lift(&self.memory);
                self.on_process(parent);
            }
            libc::PTRACE_EVENT_FORK => self.on_process(parent),
            libc::PTRACE_EVENT_CLONE => {
                let Some(child) = Self::message(parent) else {
                    return;
                };
                match proc::process_of(child) {
                    Some(process) if process != self.pid => self.on_process(parent),
                    _ => self.on_thread(child),
                }
            }
            _ => {}
        }
    }

    /// A new thread.
    pub(super) fn on_thread(&mut self, tid: Pid) {
        let mut thread = Thread::running();
        if self.strangers.remove(&tid) {
            thread.state = State::Stopped;
            thread.fresh = false;
            if !self.watchpoints.is_empty()
                && let Err(error) = self.watchpoints.apply(tid)
            {
                tracing::warn!("thread {tid} has no watchpoints: {error}");
            }
            if !self.held {
                thread.let_run(tid);
            }
        }
        self.threads.insert(tid, thread);
    }

    fn on_process(&mut self, parent: Pid) {
        let Some(child) = Self::message(parent) else {
            return;
        };
        // It stops before its first instruction. Breakpoints must not change before it is let go: those
        // that it has inherited are the present ones.
        if self.strangers.remove(&child) || requests::stop_of(child).is_some() {
            self.let_go(child);
        }
    }

    /// Lets a stopped child process go, without the breakpoints that it has inherited.
    pub(super) fn let_go(&self, child: Pid) {
        let mended = Memory::open(child).and_then(|memory| self.breakpoints.mend(&memory));
        if let Err(error) = mended {
            tracing::debug!("process {child} was not mended: {error}");
        }
        requests::go(child, Go::Detach, 0);
    }
}
