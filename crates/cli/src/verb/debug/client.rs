//! The debugger that goes with a session.

use std::process::Command;

use coracle_daemon_api::{DebugSession, ErrorCode};

use crate::failure::Failure;

/// Starts it, and waits for its end; returns its exit code.
pub(super) fn run(session: &DebugSession) -> Result<u8, Failure> {
    let line = session.debugger();
    let status = Command::new(&line[0]).args(&line[1..]).status();
    let status = status.map_err(|error| {
        let message = format!(
            "cannot start {} ({error}): install it, or connect another debugger to {}",
            line[0], session.address
        );
        Failure::new(ErrorCode::Missing, message)
    })?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}
