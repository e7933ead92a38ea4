//! The debugger that goes with a session.

use std::process::Command;

use coracle_daemon_api::{DebugSession, ErrorCode, Runtime};

use crate::failure::Failure;

/// What to type.
pub(super) fn line(session: &DebugSession) -> String {
    if session.runtime == Runtime::Python {
        return "VS Code's Python debugger, or any other that speaks the debug adapter protocol"
            .into();
    }
    let quote = |argument: &String| match argument.contains(' ') {
        true => format!("'{argument}'"),
        false => argument.clone(),
    };
    let line = arguments(session);
    line.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Starts it, and waits for its end; returns its exit code.
pub(super) fn run(session: &DebugSession) -> Result<u8, Failure> {
    let line = arguments(session);
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

fn arguments(session: &DebugSession) -> Vec<String> {
    let address = session.address.clone();
    match session.runtime {
        Runtime::Native => {
            let mut line = vec!["gdb".into()];
            for path in &session.paths {
                let map = format!("set substitute-path {} {}", path.remote, path.local);
                line.extend(["-ex".into(), map]);
            }
            line.extend(["-ex".into(), format!("target remote {address}")]);
            line
        }
        Runtime::Node => vec!["node".into(), "inspect".into(), address],
        Runtime::Python => vec!["code".into(), ".".into()],
    }
}
