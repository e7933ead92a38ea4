//! A process that outlives the tracer, so that no breakpoint does.
//!
//! The kernel lets go of a program whose tracer is killed, but not of the instructions that the
//! tracer wrote into it: the program would die of the first one it reaches.

use std::io;
use std::process::ExitCode;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::breakpoints;
use crate::journal::Journal;
use crate::memory::Memory;
use crate::proc;

/// Runs `trace` in a child process and mends `pid` when that was killed. Returns in the parent.
/// The process must have one thread.
pub(crate) fn run(pid: Pid, trace: impl FnOnce(Journal) -> ExitCode) -> io::Result<ExitCode> {
    let journal = Journal::new()?;
    let begun = proc::begun(pid);
    // SAFETY: the caller promises that there is no other thread, so the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => Ok(trace(journal)),
        ForkResult::Parent { child } => {
            // With it goes our end of the connection.
            drop(trace);
            let status = loop {
                match waitpid(child, None) {
                    Err(nix::errno::Errno::EINTR) => {}
                    other => break other?,
                }
            };
            // Another process may have its number by now.
            if begun.is_some() && begun == proc::begun(pid) && journal.entries().next().is_some() {
                breakpoints::repair(&Memory::open(pid)?, &journal);
            }
            Ok(match status {
                WaitStatus::Exited(_, code) => ExitCode::from(code as u8),
                _ => ExitCode::FAILURE,
            })
        }
    }
}
