//! A GDB remote stub for one process, with all its threads.
//!
//! The protocol is gdbstub's; this crate is the process under ptrace ([`tracer`]), what differs
//! between processors ([`arch`]), and the process' own file system, from which the client reads
//! the executable and the libraries.
//!
//! Tracing belongs to a thread and its stops to whoever waits first for any child, so a session needs
//! a process of its own, with one thread: [`run`] is all that one does. Nothing is added
//! to the process, and it goes on as before however the session ends.
//!
//! Empty on other processors than x86-64, which the registers, the breakpoints and the calls of
//! [`python`] are for.

#![cfg(target_arch = "x86_64")]

mod arch;
mod breakpoints;
mod children;
mod container_files;
mod error;
mod guard;
mod journal;
mod memory;
mod proc;
mod python;
mod session;
mod signals;
mod target;
mod tracer;

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::unistd::Pid;

use children::Children;
pub use error::AttachError;
use journal::Journal;
pub use python::{PythonError, run_python};
use target::Process;
use tracer::Tracer;

/// Attaches to the process and serves the client on `stream` until it leaves.
///
/// `begin` is told first whether that worked and may send an answer; the process is stopped then. In a
/// process with more than one thread this must not be called; it forks, and both return.
pub fn run(
    pid: i32,
    stream: UnixStream,
    begin: impl FnOnce(&UnixStream, Result<(), &AttachError>) -> std::io::Result<()>,
) -> ExitCode {
    let pid = Pid::from_raw(pid);
    let guarded = guard::run(pid, move |journal| {
        let mut process = match attach(pid, journal) {
            Ok(process) => process,
            Err(error) => {
                tracing::info!("{error}");
                // Who has gone needs no answer.
                let _ = begin(&stream, Err(&error));
                return ExitCode::FAILURE;
            }
        };
        let served = match begin(&stream, Ok(())) {
            Ok(()) => session::serve(&mut process, &stream),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = served {
            tracing::info!("the debug session of process {pid} broke off: {error}");
        }
        process.tracer.detach();
        ExitCode::SUCCESS
    });
    guarded.unwrap_or_else(|error| {
        tracing::warn!("process {pid} cannot be debugged: {error}");
        ExitCode::FAILURE
    })
}

fn attach(pid: Pid, journal: Journal) -> Result<Process, AttachError> {
    let children = Children::listen().map_err(|error| AttachError::Refused(pid, error))?;
    let tracer = Tracer::attach(pid, journal, children)?;
    Process::new(tracer).map_err(|error| AttachError::of(pid, error))
}
