//! Processes of containers under a debugger: which one, and what is done to it.
//!
//! Nothing is added to a container. Native code is traced by a process of its own for each
//! session ([`stub`]): stops of traced threads come to whoever waits for any child, and PID 1 does.

mod find;
mod listeners;
mod namespace;
pub(crate) mod node;
pub(crate) mod python;
mod symbols;

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use coracle_guest_api::debug::{DebugProcess, DebugTarget};
use coracle_guest_api::{AgentError, AgentErrorCode, StreamReply, message};
use std::io::Write;

use crate::command;
use crate::early::AGENT_COPY;

/// The name under which this program traces a process.
pub(crate) const STUB: &str = "coracle-debug-stub";

/// A process that is there.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its id in the guest.
    pub(crate) pid: u32,
    /// What the host wants to know.
    pub(crate) about: DebugProcess,
}

/// Looks for the process that is meant.
pub(crate) async fn find(target: DebugTarget) -> Result<Found, AgentError> {
    // A few hundred small files of /proc.
    tokio::task::spawn_blocking(move || find::find(&target))
        .await
        .unwrap_or_else(|error| Err(AgentError::new(AgentErrorCode::Internal, error.to_string())))
}

/// Refuses a process that someone else traces.
pub(crate) fn check_tracer(found: &Found) -> Result<(), AgentError> {
    let tracer = find::status(found.pid, "TracerPid").and_then(|pid| pid.parse().ok());
    match tracer {
        None | Some(0) => Ok(()),
        Some(tracer) => {
            let name = find::status(tracer, "Name").unwrap_or_default();
            Err(AgentError::new(
                AgentErrorCode::NoProcess,
                format!(
                    "process {} is being traced already, by {name}: end that first",
                    found.about.pid
                ),
            ))
        }
    }
}

/// Starts the stub; its standard input has to be the connection.
pub(crate) fn stub_command(pid: u32) -> Command {
    let mut command = command::program(AGENT_COPY);
    command.arg0(STUB).arg(pid.to_string());
    command
}

/// The stub's main function. It traces the process whose id is the argument for the client on
/// standard input, to whom it first sends a [`StreamReply`]; with more arguments it does what
/// [`python`] needs of a process with one thread.
pub(crate) fn stub(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(pid) = arguments.next().and_then(|pid| pid.parse::<u32>().ok()) else {
        eprintln!("{STUB}: started by the guest agent");
        return ExitCode::from(2);
    };
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("python"), Some(port)) => python::inject(pid, &port),
        (Some("unmount"), None) => python::unmount(pid),
        _ => native(pid),
    }
}

fn native(pid: u32) -> ExitCode {
    // Without it the program that it traces would be harmed; it costs nothing if this fails.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    // SAFETY: standard input belongs to this process, and nothing else here uses it.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
    coracle_debug_stub::run(pid.cast_signed(), stream, |mut stream, attached| {
        let reply = match attached {
            Ok(()) => StreamReply::OK,
            Err(error) => StreamReply::Err(AgentError::new(
                AgentErrorCode::NoProcess,
                error.to_string(),
            )),
        };
        stream.write_all(&message::encode(&reply).map_err(std::io::Error::other)?)
    })
}
