//! The stub of x86-64, for one process.

use std::ffi::CStr;
use std::fs;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use coracle_guest_api::{AgentError, AgentErrorCode, StreamReply, message};

/// Whether there is a stub for this processor.
pub(super) fn check() -> Result<(), AgentError> {
    Ok(())
}

/// Traces the process for the client on standard input, to whom a [`StreamReply`] is sent first.
pub(super) fn native(pid: u32) -> ExitCode {
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

/// Has the Python process run the code.
pub(super) fn python(pid: u32, code: &CStr) -> Result<(), String> {
    coracle_debug_stub::run_python(pid.cast_signed(), code).map_err(|error| error.to_string())
}
