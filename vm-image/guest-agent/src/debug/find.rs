//! Which process of a container does its work, and what it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use coracle_guest_api::debug::{DebugProcess, DebugTarget, Runtime};
use coracle_guest_api::{AgentError, AgentErrorCode};

use super::{Found, listeners, symbols};

/// Programs that start another one and wait for it.
const STARTERS: [&str; 12] = [
    "sh",
    "bash",
    "dash",
    "ash",
    "busybox",
    "tini",
    "docker-init",
    "dumb-init",
    "catatonit",
    "gosu",
    "su-exec",
    "sudo",
];

/// Scripts of Node.js that do the same.
const STARTING_SCRIPTS: [&str; 6] = ["npm", "npx", "yarn", "pnpm", "nodemon", "--watch"];

/// Looks through the container's processes.
pub(super) fn find(target: &DebugTarget) -> Result<Found, AgentError> {
    let all = processes(target)?;
    let chosen = match target.process {
        Some(wanted) => all.values().find(|one| one.inside == wanted),
        None => worker(target.init, &all),
    };
    let Some(chosen) = chosen else {
        let known: Vec<_> = all.values().map(Process::name).collect();
        return Err(gone(format!(
            "the container has no process {}; it has {}",
            target.process.unwrap_or(1),
            known.join(", ")
        )));
    };
    let runtime = runtime(chosen);
    Ok(Found {
        pid: chosen.pid,
        about: DebugProcess {
            pid: chosen.inside,
            runtime,
            program: chosen.program.clone(),
            folder: link(chosen.pid, "cwd"),
            command: chosen.command.clone(),
            note: match runtime {
                Runtime::Native => symbols::note(chosen.pid, &chosen.program),
                Runtime::Node | Runtime::Python => None,
            },
        },
    })
}

/// A line of `/proc/PID/status`, without its name.
pub(super) fn status(pid: u32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.strip_prefix(':')?.trim().to_owned())
}

#[derive(Debug)]
struct Process {
    pid: u32,
    /// Its number inside the container.
    inside: u32,
    parent: u32,
    program: String,
    command: Vec<String>,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let inside = status(pid, "NSpid")?;
        if status(pid, "State")?.starts_with(['Z', 'X']) {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = command.split(|byte| *byte == 0);
        Some(Self {
            pid,
            inside: inside.split_whitespace().last()?.parse().ok()?,
            parent: status(pid, "PPid")?.parse().ok()?,
            program: link(pid, "exe"),
            command: command
                .map(|argument| String::from_utf8_lossy(argument).into_owned())
                .filter(|argument| !argument.is_empty())
                .collect(),
        })
    }

    fn file(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or_default()
    }

    fn name(&self) -> String {
        format!("{} ({})", self.inside, self.file())
    }

    fn is_starter(&self) -> bool {
        let scripts = |argument: &String| {
            let name = argument.rsplit('/').next().unwrap_or_default();
            let name = name.strip_suffix("-cli.js").unwrap_or(name);
            STARTING_SCRIPTS.contains(&name.strip_suffix(".js").unwrap_or(name))
        };
        STARTERS.contains(&self.file())
            || (is_node(self.file()) && self.command.iter().skip(1).take(3).any(scripts))
    }
}

/// All processes of the container, by their number in the guest.
fn processes(target: &DebugTarget) -> Result<BTreeMap<u32, Process>, AgentError> {
    let ended = || gone("the container has ended");
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", target.init));
    let groups = groups.map_err(|_| ended())?;
    // Its number may be another process's by now.
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let group = group
        .filter(|group| !target.container.is_empty() && group.contains(&target.container))
        .ok_or_else(ended)?;
    let mut pids = Vec::new();
    collect(Path::new(&format!("/sys/fs/cgroup{group}")), &mut pids);
    let read = |pid| Some((pid, Process::read(pid)?));
    Ok(pids.into_iter().filter_map(read).collect())
}

/// The processes of a control group and of those below it.
fn collect(folder: &Path, pids: &mut Vec<u32>) {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), pids);
        }
    }
}

/// The one that serves: of those that listen the last in a line of parents and children (a server
/// may pass its socket on to workers); where none listens, the first that is not there to start another.
fn worker(init: u32, all: &BTreeMap<u32, Process>) -> Option<&Process> {
    let listening = listeners::of_container(init, all.keys().copied());
    let has_listening_child = |pid: u32| {
        let child = |one: &&Process| one.parent == pid && listening.contains(&one.pid);
        all.values().find(child).is_some()
    };
    let last = |pid: &&u32| !has_listening_child(**pid);
    if let Some(pid) = listening.iter().find(last) {
        return all.get(pid);
    }
    let mut chosen = all.get(&init)?;
    while chosen.is_starter() {
        let Some(child) = all.values().find(|one| one.parent == chosen.pid) else {
            break;
        };
        chosen = child;
    }
    Some(chosen)
}

fn runtime(process: &Process) -> Runtime {
    let file = process.file();
    if is_node(file) {
        return Runtime::Node;
    }
    if file.starts_with("python") {
        return Runtime::Python;
    }
    // Servers that embed Python, such as uWSGI.
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid)).unwrap_or_default();
    match maps.contains("/libpython3") {
        true => Runtime::Python,
        false => Runtime::Native,
    }
}

fn is_node(file: &str) -> bool {
    matches!(file, "node" | "nodejs")
}

fn link(pid: u32, name: &str) -> String {
    let target = fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let target = target.to_string_lossy();
    target
        .strip_suffix(" (deleted)")
        .unwrap_or(&target)
        .to_owned()
}

fn gone(message: impl Into<String>) -> AgentError {
    AgentError::new(AgentErrorCode::NoProcess, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(command: &[&str]) -> Process {
        Process {
            pid: 1,
            inside: 1,
            parent: 0,
            program: format!("/usr/bin/{}", command[0]),
            command: command.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn starters_are_told_from_what_they_start() {
        for command in [
            &["sh", "-c", "node server.js"][..],
            &["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "start"],
            &["node", "/app/node_modules/.bin/nodemon", "server.js"],
            &["node", "--watch", "server.js"],
            &["tini", "--", "app"],
        ] {
            assert!(process(command).is_starter(), "{command:?}");
        }
        for command in [&["node", "server.js"][..], &["python3", "npm"], &["worker"]] {
            assert!(!process(command).is_starter(), "{command:?}");
        }
    }
}
