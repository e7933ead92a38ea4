//! Sessions for people.

use coracle_daemon_api::{DebugSession, Runtime};

use crate::failure::Failure;

/// How to connect to a session.
pub(super) fn begun(session: &DebugSession) -> Result<String, Failure> {
    let again = match session.existing {
        true => " has a session already",
        false => " can be debugged",
    };
    let mut lines = vec![format!(
        "Process {} of {} ({}){again}: {} on {}",
        session.pid,
        session.container,
        session.command.join(" "),
        protocol(session.runtime),
        session.address
    )];
    lines.extend(session.note.iter().map(|note| format!("Note: {note}.")));
    for path in &session.paths {
        lines.push(format!("Sources: {} is {}", path.remote, path.local));
    }
    lines.push(format!("Connect: {}", session.connect()));
    match &session.written {
        Some(file) => lines.push(format!(
            "VS Code: {:?} is in {}",
            session.configuration["name"].as_str().unwrap_or_default(),
            file.display()
        )),
        None => lines.push(format!(
            "VS Code (--write adds it to .vscode/launch.json):\n{}",
            serde_json::to_string_pretty(&session.configuration)?
        )),
    }
    Ok(lines.join("\n"))
}

/// A line a session.
pub(super) fn list(all: &[DebugSession]) -> String {
    if all.is_empty() {
        return "There is no debug session: `coracle debug CONTAINER` begins one.".into();
    }
    let line = |one: &DebugSession| {
        format!(
            "{}  {}  process {}  {} on {}",
            one.id,
            one.container,
            one.pid,
            protocol(one.runtime),
            one.address
        )
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn ended(all: &[DebugSession]) -> String {
    let line = |one: &DebugSession| format!("Ended session {} of {}.", one.id, one.container);
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn protocol(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Native => "gdb",
        Runtime::Node => "node's inspector",
        Runtime::Python => "debugpy",
    }
}
