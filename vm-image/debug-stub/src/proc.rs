//! What `/proc` says of a process.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::Pid;

/// A file of the process' folder in `/proc`.
pub(crate) fn path(pid: Pid, name: &str) -> PathBuf {
    format!("/proc/{pid}/{name}").into()
}

/// The ids of its threads.
pub(crate) fn threads(pid: Pid) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path(pid, "task"))? {
        if let Ok(tid) = entry?.file_name().to_string_lossy().parse() {
            found.push(Pid::from_raw(tid));
        }
    }
    Ok(found)
}

/// A line of `/proc/PID/status`, without its name; `None` when the process has gone.
pub(crate) fn status(tid: Pid, name: &str) -> Option<String> {
    let text = fs::read_to_string(path(tid, "status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.strip_prefix(':')?.trim().to_owned())
}

/// The process that a thread belongs to.
pub(crate) fn process_of(tid: Pid) -> Option<Pid> {
    status(tid, "Tgid")?.parse().ok().map(Pid::from_raw)
}

/// Whether it has ended and nobody has asked how yet.
pub(crate) fn is_dead(tid: Pid) -> bool {
    status(tid, "State").is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// Who traces it, with the tracer's name; `None` when nobody does.
pub(crate) fn tracer(pid: Pid) -> Option<(Pid, String)> {
    let tracer = status(pid, "TracerPid")?.parse().ok().map(Pid::from_raw)?;
    if tracer == Pid::from_raw(0) {
        return None;
    }
    Some((tracer, status(tracer, "Name").unwrap_or_default()))
}

/// The path of its program, as the process itself would name it.
pub(crate) fn executable(pid: Pid) -> io::Result<String> {
    let path = fs::read_link(path(pid, "exe"))?;
    let path = path.to_string_lossy();
    Ok(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
}

/// When it began, in clock ticks since the boot: with its number this tells it from all others.
pub(crate) fn begun(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(path(pid, "stat")).ok()?;
    // The name, in brackets, may have blanks and brackets itself.
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}
