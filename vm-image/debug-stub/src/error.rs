use std::io;

use nix::unistd::Pid;

use crate::proc;

/// Why a process could not be attached to.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It is not there any more.
    #[error("process {0} has ended")]
    Gone(Pid),
    /// Someone else traces it, and there can be one only.
    #[error("process {pid} is being traced already, by {name} (process {by}): end that first")]
    Traced {
        /// The process.
        pid: Pid,
        /// Its tracer.
        by: Pid,
        /// The tracer's name.
        name: String,
    },
    /// A thread of it waits in the kernel and cannot be interrupted.
    #[error(
        "process {0} did not stop in time: a thread of it waits for something that does not come, \
         such as a file server that has gone"
    )]
    Stuck(Pid),
    /// Anything else.
    #[error("process {0} cannot be attached to: {1}")]
    Refused(Pid, io::Error),
}

impl AttachError {
    /// What an error of the system means here.
    pub(crate) fn of(pid: Pid, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            return Self::Stuck(pid);
        }
        if proc::is_dead(pid) {
            return Self::Gone(pid);
        }
        match proc::tracer(pid) {
            Some((by, name)) => Self::Traced { pid, by, name },
            None => Self::Refused(pid, error),
        }
    }
}
