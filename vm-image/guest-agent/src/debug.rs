//! Processes of containers under a debugger: which one, and what is done to it.
//!
//! Nothing is added to a container. Native code is traced by a process of its own for each
//! session ([`stub`]): stops of traced threads come to whoever waits for any child, and PID 1 does.

mod find;
mod listeners;
mod namespace;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod sessions;
#[cfg(target_arch = "x86_64")]
mod stub;
#[cfg(not(target_arch = "x86_64"))]
#[path = "debug/no_stub.rs"]
mod stub;
mod symbols;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use coracle_guest_api::debug::{DebugProcess, DebugTarget};
use coracle_guest_api::{AgentError, AgentErrorCode};

use crate::early::AGENT_COPY;
use crate::{command, logging};

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

/// Refuses a process that cannot be traced: by this processor, or because someone else traces it.
pub(crate) fn check_traceable(found: &Found) -> Result<(), AgentError> {
    stub::check()?;
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
/// standard input; with more arguments it does what [`python`] needs of a process with one thread.
pub(crate) fn stub_main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(pid) = arguments.next().and_then(|pid| pid.parse::<u32>().ok()) else {
        eprintln!("{STUB}: started by the guest agent");
        return ExitCode::from(2);
    };
    logging::start_without_ring();
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("python"), Some(port)) => python::inject(pid, &port),
        (Some("unmount"), None) => python::unmount(pid),
        _ => stub::native(pid),
    }
}
