//! A process under ptrace, with all its threads.
//!
//! The kernel stops one thread at a time and tells of each by itself; what is debugged is the
//! process. So a stop of one thread is kept ([`Thread::pending`]) until all others have been
//! stopped too, and is then reported; stops that came beside it wait for the next resumption.
//!
//! Threads are seized (PTRACE_SEIZE): attaching sends no signal, and the program does not see it.

mod births;
mod detach;
pub(crate) mod requests;
mod stops;
mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::unistd::{Pid, getpid};

use crate::arch::Watchpoints;
use crate::breakpoints::Breakpoints;
use crate::children::Children;
use crate::error::AttachError;
use crate::journal::Journal;
use crate::memory::Memory;
use crate::proc;
pub(crate) use stops::{End, Stop};
pub(crate) use thread::Want;
use thread::{State, Thread};

/// How long the threads may take to stop at first; one in an uninterruptible wait (of a file
/// server that has gone) may never do it.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked whether a thread that does not stop has died silently.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The process that is debugged; dropped without [`detach`](Self::detach), breakpoints stay.
pub(crate) struct Tracer {
    pid: Pid,
    pub(crate) memory: Memory,
    pub(crate) breakpoints: Breakpoints,
    pub(crate) watchpoints: Watchpoints,
    threads: BTreeMap<Pid, Thread>,
    /// Threads and processes that have stopped before their parent told of their birth.
    strangers: BTreeSet<Pid>,
    end: Option<End>,
    /// Whether threads that stop stay stopped.
    held: bool,
    /// Whether the client has asked for a stop that was not reported.
    interrupted: bool,
    children: Children,
}

impl Tracer {
    /// Stops all threads of `pid`. `children` was made before.
    pub(crate) fn attach(
        pid: Pid,
        journal: Journal,
        children: Children,
    ) -> Result<Self, AttachError> {
        let memory = Memory::open(pid).map_err(|error| AttachError::of(pid, error))?;
        let mut tracer = Self {
            pid,
            memory,
            breakpoints: Breakpoints::new(journal),
            watchpoints: Watchpoints::default(),
            threads: BTreeMap::new(),
            strangers: BTreeSet::new(),
            end: None,
            held: true,
            interrupted: false,
            children,
        };
        // Threads that were being born while the list was read are in the next one.
        while tracer.seize_all()? {}
        let stopped = tracer.stop_all(Some(Instant::now() + STOP_WITHIN));
        stopped.map_err(|error| AttachError::of(pid, error))?;
        if tracer.end.is_some() || tracer.threads.is_empty() {
            return Err(AttachError::Gone(pid));
        }
        Ok(tracer)
    }

    /// The process' id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Its threads, the first of which is the main one while that lives.
    pub(crate) fn threads(&self) -> impl Iterator<Item = Pid> {
        let alive = self
            .threads
            .iter()
            .filter(|(_, thread)| thread.state != State::Dead);
        alive.map(|(tid, _)| *tid)
    }

    /// All threads shall continue at the next [`resume`](Self::resume), unless told otherwise.
    pub(crate) fn want_all_to_continue(&mut self) {
        for thread in self.threads.values_mut() {
            thread.want = Some(Want::Continue);
            thread.deliver = 0;
            thread.chosen = false;
        }
    }

    /// Threads that were not told what to do stay stopped.
    pub(crate) fn hold_the_others(&mut self) {
        for thread in self.threads.values_mut().filter(|one| !one.chosen) {
            thread.want = None;
        }
    }

    /// What one thread shall do instead, and the signal that it gets (0 for none).
    pub(crate) fn want(&mut self, tid: Pid, want: Want, signal: i32) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.want = Some(want);
            thread.deliver = signal;
            thread.chosen = true;
        }
    }

    /// Lets the threads go on that shall, unless one of them has a stop to report already.
    pub(crate) fn resume(&mut self) {
        self.held = false;
        for thread in self.threads.values_mut() {
            thread.forget_stale(&self.breakpoints);
            thread.reported = 0;
        }
        if self.threads.values().any(Thread::has_news) {
            return;
        }
        let tids: Vec<_> = self.threads().collect();
        for tid in tids {
            self.let_run(tid);
        }
    }

    /// What there is to report, with all threads stopped; `None` when they still run.
    pub(crate) fn take_stop(&mut self) -> io::Result<Option<(Pid, Stop)>> {
        self.pump();
        let news = self.threads.values().any(Thread::has_news);
        if self.end.is_none() && !news && !self.interrupted {
            return Ok(None);
        }
        self.stop_all(None)?;
        self.interrupted = false;
        if let Some(end) = self.end {
            return Ok(Some((self.pid, Stop::End(end))));
        }
        let news = self
            .threads
            .iter_mut()
            .find(|(_, thread)| thread.has_news());
        let Some((tid, thread)) = news else {
            return Ok(self.threads().next().map(|tid| (tid, Stop::Interrupted)));
        };
        let stop = thread.pending.take();
        if let Some(Stop::Signal(signal)) = stop {
            thread.reported = signal;
        }
        Ok(stop.map(|stop| (*tid, stop)))
    }

    /// The client asks for a stop: the next one that is reported, once the threads have been
    /// resumed if they are stopped now. GDB asks also while it looks at a stop that it is about
    /// to pass over, and takes the first stop after its next resumption for the answer.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Waits until something may have happened to the threads, or there is something to read;
    /// whether there is something to read.
    pub(crate) fn wait_or_read(&self, other: BorrowedFd<'_>) -> io::Result<bool> {
        self.children.wait_or_read(other)
    }

    /// The watchpoints have changed: tells all threads, which are stopped.
    pub(crate) fn apply_watchpoints(&self) -> io::Result<()> {
        for (tid, thread) in &self.threads {
            if thread.state == State::Stopped {
                self.watchpoints.apply(*tid)?;
            }
        }
        Ok(())
    }

    /// Whether a thread of that id is there.
    pub(crate) fn has(&self, tid: Pid) -> bool {
        self.threads
            .get(&tid)
            .is_some_and(|thread| thread.state != State::Dead)
    }

    /// Seizes threads that are not yet; whether there were any.
    fn seize_all(&mut self) -> Result<bool, AttachError> {
        let options = Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEVFORKDONE;
        let mut found = false;
        let all = proc::threads(self.pid).map_err(|error| AttachError::of(self.pid, error))?;
        for tid in all {
            if self.threads.contains_key(&tid) {
                continue;
            }
            match ptrace::seize(tid, options) {
                Ok(()) => {
                    self.threads.insert(tid, Thread::running());
                    found = true;
                }
                Err(Errno::ESRCH) => {}
                // A thread that one of ours made meanwhile is ours already, and will be told of.
                Err(_) if proc::tracer(tid).is_some_and(|(by, _)| by == getpid()) => {}
                Err(_) if proc::is_dead(tid) => {}
                Err(error) => return Err(AttachError::of(tid, error.into())),
            }
        }
        Ok(found)
    }

    /// Takes in what has happened, without waiting.
    fn pump(&mut self) {
        while let Some((tid, status)) = requests::next_status() {
            self.on_status(tid, status);
        }
        // Whoever is not known by now lost its parent before that could tell.
        let ours = |tid: &Pid| proc::process_of(*tid) == Some(self.pid);
        let orphans: Vec<_> = self.strangers.iter().copied().filter(ours).collect();
        for tid in orphans {
            self.on_thread(tid);
        }
    }

    /// Stops every thread that runs. Stops of their own that come meanwhile are kept.
    fn stop_all(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.held = true;
        self.pump();
        self.interrupt_running();
        loop {
            self.pump();
            if !self.threads.values().any(|one| one.state == State::Running) {
                return Ok(());
            }
            if until.is_some_and(|until| Instant::now() > until) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if !self.children.wait(LOOK_AGAIN)? {
                // Also those that were born after the first round.
                self.interrupt_running();
            }
        }
    }

    fn interrupt_running(&mut self) {
        for (tid, thread) in &mut self.threads {
            if thread.state == State::Running
                && ptrace::interrupt(*tid).is_err()
                && proc::is_dead(*tid)
            {
                // A main thread that ended before the others: its status comes last.
                thread.state = State::Dead;
            }
        }
    }

    /// Continues a thread as it shall.
    fn let_run(&mut self, tid: Pid) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.let_run(tid);
        }
    }
}
