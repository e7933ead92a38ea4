//! In place of the stub on processors that it does not know.

use std::ffi::CStr;
use std::process::ExitCode;

use coracle_guest_api::{AgentError, AgentErrorCode};

/// Refuses: nothing below is reached.
pub(super) fn check() -> Result<(), AgentError> {
    Err(AgentError::new(AgentErrorCode::Unsupported, refusal()))
}

pub(super) fn native(_: u32) -> ExitCode {
    eprintln!("{}", refusal());
    ExitCode::FAILURE
}

pub(super) fn python(_: u32, _: &CStr) -> Result<(), String> {
    Err(refusal())
}

fn refusal() -> String {
    format!(
        "on {} only Node.js can be debugged: machine code and Python need x86-64",
        std::env::consts::ARCH
    )
}
