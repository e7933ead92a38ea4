//! What the kernel tells, understood.

use nix::libc::{self, c_int};
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::Tracer;
use super::requests::{self, Go};
use super::thread::{State, Thread};
use crate::arch::{self, Cause, Watch};

/// Why a thread, and with it the process, has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A signal is about to be delivered.
    Signal(i32),
    /// At a breakpoint.
    Breakpoint(u64),
    /// At a watchpoint.
    Watch(Watch),
    /// One step is done.
    Step,
    /// Another program was started in the process.
    Exec,
    /// The client asked for it.
    Interrupted,
    /// There is no process any more.
    End(End),
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exited(u8),
    Killed(i32),
}

impl Tracer {
    /// Takes in one status.
    pub(super) fn on_status(&mut self, tid: Pid, status: c_int) {
        if !libc::WIFSTOPPED(status) {
            return self.on_end(tid, status);
        }
        if !self.threads.contains_key(&tid) {
            self.strangers.insert(tid);
            return;
        }
        let signal = libc::WSTOPSIG(status);
        let pending = match status >> 16 {
            0 => Some(self.on_signal(tid, signal)),
            libc::PTRACE_EVENT_STOP => {
                if !self.on_interruption(tid, signal) {
                    return;
                }
                None
            }
            libc::PTRACE_EVENT_EXEC => self.on_exec(tid),
            event => {
                self.on_birth(tid, event);
                None
            }
        };
        let held = self.held;
        let Some(thread) = self.threads.get_mut(&tid) else {
            return;
        };
        thread.state = State::Stopped;
        thread.pending = pending;
        if !held {
            thread.let_run(tid);
        }
    }

    fn on_end(&mut self, tid: Pid, status: c_int) {
        self.strangers.remove(&tid);
        if self.threads.remove(&tid).is_some() && tid == self.pid {
            self.threads.clear();
            self.end = Some(match libc::WIFEXITED(status) {
                true => End::Exited(libc::WEXITSTATUS(status) as u8),
                false => End::Killed(libc::WTERMSIG(status)),
            });
        }
    }

    fn on_signal(&self, tid: Pid, signal: i32) -> Stop {
        if signal != libc::SIGTRAP {
            return Stop::Signal(signal);
        }
        let is_breakpoint = |address| self.breakpoints.has(address);
        match arch::cause(tid, &self.watchpoints, is_breakpoint) {
            Ok(Cause::Breakpoint(address)) => Stop::Breakpoint(address),
            Ok(Cause::Watch(watch)) => Stop::Watch(watch),
            Ok(Cause::Step) => Stop::Step,
            Ok(Cause::Signal) => Stop::Signal(signal),
            Err(error) => {
                // Killed at this moment: the signal goes nowhere.
                tracing::debug!("thread {tid} trapped and is gone: {error}");
                Stop::Signal(signal)
            }
        }
    }

    /// By us, by a signal that stops processes, or at birth. False when the thread had to be sent on
    /// because another stop comes first.
    fn on_interruption(&mut self, tid: Pid, signal: i32) -> bool {
        let Some(thread) = self.threads.get_mut(&tid) else {
            return true;
        };
        thread.group_stop = signal != libc::SIGTRAP;
        if requests::has_pending_trap(tid) {
            thread.state = State::Running;
            requests::go(tid, Go::Continue, 0);
            return false;
        }
        if std::mem::take(&mut thread.fresh)
            && !self.watchpoints.is_empty()
            && let Err(error) = self.watchpoints.apply(tid)
        {
            tracing::warn!("thread {tid} has no watchpoints: {error}");
        }
        true
    }

    /// All other threads are gone, and what was in the memory.
    fn on_exec(&mut self, tid: Pid) -> Option<Stop> {
        self.threads.retain(|one, _| *one == tid);
        self.threads.entry(tid).or_insert_with(Thread::running);
        self.breakpoints.forget();
        self.watchpoints.clear();
        match crate::memory::Memory::open(self.pid) {
            Ok(memory) => self.memory = memory,
            Err(error) => tracing::warn!("the new program cannot be read: {error}"),
        }
        Some(Stop::Exec)
    }

    /// What came with an event of ptrace.
    pub(super) fn message(tid: Pid) -> Option<Pid> {
        let message = ptrace::getevent(tid).ok()?;
        i32::try_from(message).ok().map(Pid::from_raw)
    }
}
