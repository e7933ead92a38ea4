//! From what is known to the tray's menu. Pure.

use std::collections::HashSet;

use coracle_daemon_api::{Status, SwarmService, SwarmState, VmState};
use serde::{Deserialize, Serialize};

use crate::action::{Action, ContainerVerb};
use crate::view::{Container, Link, View};

/// What a person looks through in one menu. Each entry's own menu takes memory of the desktop, too.
const MOST: usize = 30;

/// An entry of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Only to be read.
    Line(String),
    /// A line between groups.
    Separator,
    /// To be clicked.
    Click {
        /// What the person reads.
        label: String,
        /// Whether it makes sense now.
        enabled: bool,
        /// What it does.
        choice: Choice,
    },
    /// A menu of its own.
    Menu {
        /// What the person reads.
        label: String,
        /// What is in it; it is disabled when that is nothing.
        items: Vec<Item>,
    },
}

/// What a click does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "choice")]
pub(crate) enum Choice {
    /// Something is done.
    Act {
        /// What.
        action: Action,
    },
    /// A pane of the dashboard is shown, or a question.
    Show {
        /// The page's own address of it, as `snapshots/restore/NAME` or `ask/restart`.
        place: String,
    },
    /// The browser shows a published port.
    Browse {
        /// The port.
        port: u16,
    },
    /// The app ends.
    Quit,
}

/// The menu for what is known.
pub(crate) fn of(view: &View) -> Vec<Item> {
    let mut items = vec![Item::Line(state_line(view))];
    if let Some(machine) = view.status.as_ref().and_then(machine_line) {
        items.push(Item::Line(machine));
    }
    items.push(Item::Separator);
    items.extend(machine(view));
    items.push(Item::Separator);
    items.push(show("Dashboard", "containers"));
    items.push(menu("Containers", containers(view)));
    items.push(menu("Swarm", swarm(view)));
    items.push(menu("Debug sessions", debug_sessions(view)));
    items.push(menu("Snapshots", snapshots(view)));
    items.push(show("Settings", "settings"));
    items.push(act("Diagnose…", true, Action::Diagnose));
    items.push(Item::Separator);
    items.push(show("About Coracle", "about"));
    let quit = if view.engine_answers() {
        "Quit (containers go on)"
    } else {
        "Quit"
    };
    items.push(click(quit, true, Choice::Quit));
    items
}

/// Whether both have the same entries, however these read and whether or not they make sense: then a menu that is
/// open can stay open. Not so with another name of a submenu, which GTK's menus keep once they have it.
pub(crate) fn same_entries(one: &[Item], other: &[Item]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Item::Line(_), Item::Line(_)) | (Item::Separator, Item::Separator) => true,
            (Item::Click { choice: one, .. }, Item::Click { choice: other, .. }) => one == other,
            (
                Item::Menu { label, items },
                Item::Menu {
                    label: other,
                    items: others,
                },
            ) => label == other && same_entries(items, others),
            _ => false,
        })
}

/// One line of what is going on.
pub(crate) fn state_line(view: &View) -> String {
    if let Some(doing) = &view.doing {
        return format!("Coracle: {}", doing.message);
    }
    let state = match (&view.daemon, &view.status) {
        (Link::Looking, _) => "looking for the daemon",
        (Link::Gone { .. }, _) => "stopped",
        (Link::Silent { .. }, _) => "the daemon does not answer",
        (Link::Foreign { .. }, _) => "the daemon is of another version",
        (Link::Connected, None) => "connected",
        (Link::Connected, Some(status)) => match status.vm.state {
            VmState::Running | VmState::Suspended if status.vm.asleep => "asleep until it is used",
            VmState::Stopped => "stopped",
            VmState::Suspended => "suspended",
            VmState::Booting => "the VM boots",
            VmState::EngineStarting => "the engine starts",
            VmState::Running if !status.degraded.is_empty() => "running, with a problem",
            VmState::Running => "running",
            VmState::Stopping => "stopping",
            VmState::Failed => "failed",
        },
    };
    format!("Coracle: {state}")
}

fn machine_line(status: &Status) -> Option<String> {
    let vm = &status.vm;
    let cpus = match vm.cpus {
        1 => "1 CPU".to_owned(),
        cpus => format!("{cpus} CPUs"),
    };
    let cpus = match vm.cpu_percent {
        Some(percent) => format!("{} % of {cpus}", percent / u64::from(vm.cpus.max(1))),
        None => cpus,
    };
    let of = vm.memory_mib as f64 / 1024.0;
    let memory = match vm.usage {
        Some(usage) => format!("{:.1} of {of:.1} GiB", usage.resident_bytes as f64 / GIB),
        None => format!("{of:.1} GiB"),
    };
    let there = !matches!(vm.state, VmState::Stopped | VmState::Failed);
    there.then(|| format!("{cpus}, {memory} of memory"))
}

const GIB: f64 = (1_u64 << 30) as f64;

fn machine(view: &View) -> [Item; 3] {
    let idle = view.doing.is_none();
    let state = view.status.as_ref().map(|status| status.vm.state);
    let startable = match (&view.daemon, state) {
        (Link::Gone { .. }, _) => true,
        (Link::Connected, Some(state)) => {
            matches!(
                state,
                VmState::Stopped | VmState::Suspended | VmState::Failed
            )
        }
        _ => false,
    };
    let stoppable = idle && view.engine_answers();
    let vm = view.status.as_ref().map(|status| &status.vm);
    let loses = vm.is_some_and(|vm| vm.cannot_suspend.is_some());
    let suspend = match stoppable && loses {
        true => show("Suspend…", "ask/suspend"),
        false => act("Suspend", stoppable, Action::Suspend),
    };
    // What is lost by a restart is told where there is room, and asked there.
    let place = "ask/restart".into();
    [
        act("Start", idle && startable, Action::Start),
        suspend,
        click("Restart…", idle && is_running(view), Choice::Show { place }),
    ]
}

fn is_running(view: &View) -> bool {
    let state = view.status.as_ref().map(|status| status.vm.state);
    view.daemon == Link::Connected && state == Some(VmState::Running)
}

/// A menu for each project, and after them those that have none.
fn containers(view: &View) -> Vec<Item> {
    let containers = view.containers.as_deref().unwrap_or_default();
    let listed = listed(containers);
    let mut items: Vec<Item> = Vec::new();
    let groups = containers.chunk_by(|a, b| a.project.is_some() && a.project == b.project);
    for group in groups {
        let entries = group.iter().filter(|one| listed.contains(one.id.as_str()));
        let mut entries: Vec<Item> = entries.map(|one| container(view, one)).collect();
        match &group[0].project {
            Some(project) if !entries.is_empty() => {
                let running = group.iter().filter(|one| one.is_running()).count();
                let label = format!("{project} ({running} of {} run)", group.len());
                // What is done to the tasks of a swarm's service is undone by the swarm.
                if group[0].service.is_some() {
                    entries.extend(of_all(group));
                }
                items.push(menu(&label, entries));
            }
            _ => items.extend(entries),
        }
    }
    items.extend(more(containers.len() - listed.len(), "containers"));
    items
}

/// What is done to a whole compose app.
fn of_all(group: &[Container]) -> impl Iterator<Item = Item> {
    let all = |label: &str, verb, running: bool| {
        let wanted = group.iter().filter(|one| one.is_running() == running);
        let ids: Vec<String> = wanted.map(|one| one.id.clone()).collect();
        act(label, !ids.is_empty(), Action::Containers { ids, verb })
    };
    [
        Item::Separator,
        all("Start all", ContainerVerb::Start, false),
        all("Stop all", ContainerVerb::Stop, true),
    ]
    .into_iter()
}

/// The ids of those that have a place in the menu, before others those that run.
fn listed(containers: &[Container]) -> HashSet<&str> {
    let mut by_state: Vec<_> = containers.iter().collect();
    by_state.sort_by_key(|one| !one.is_running());
    by_state
        .iter()
        .take(MOST)
        .map(|one| one.id.as_str())
        .collect()
}

/// Leads to those that have no place in the menu.
fn more(count: usize, place: &str) -> Option<Item> {
    (count > 0).then(|| show(&format!("{count} more in the dashboard…"), place))
}

fn container(view: &View, container: &Container) -> Item {
    let verb = |label: &str, verb| {
        let ids = vec![container.id.clone()];
        act(label, true, Action::Containers { ids, verb })
    };
    let mut items = browse(view, container.ports.iter().map(|port| port.host));
    items.push(show("Logs", &format!("containers/logs/{}", container.id)));
    if container.is_running() {
        items.push(verb("Stop", ContainerVerb::Stop));
        items.push(verb("Restart", ContainerVerb::Restart));
        items.push(show("Debug", &format!("debug/attach/{}", container.name)));
    } else {
        items.push(verb("Start", ContainerVerb::Start));
    }
    menu(&format!("{} – {}", container.name, container.state), items)
}

fn browse(view: &View, ports: impl Iterator<Item = u16>) -> Vec<Item> {
    ports
        .map(|port| {
            let label = format!("Open {}", view.address_of(port));
            click(&label, true, Choice::Browse { port })
        })
        .collect()
}

fn snapshots(view: &View) -> Vec<Item> {
    if view.daemon != Link::Connected {
        return Vec::new();
    }
    let capable = view
        .status
        .as_ref()
        .and_then(|status| status.host.as_ref())
        .is_none_or(|host| host.capabilities.snapshots);
    let name = (1..)
        .map(|number| format!("snapshot-{number}"))
        .find(|name| !view.snapshots.iter().any(|one| one.name == *name))
        .unwrap_or_default();
    let mut items = vec![act(
        "Take one now",
        capable && is_running(view) && view.doing.is_none(),
        Action::TakeSnapshot { name },
    )];
    if !view.snapshots.is_empty() {
        items.push(Item::Separator);
    }
    items.extend(view.snapshots.iter().map(|snapshot| {
        // What is lost by it is told where there is room, and asked there.
        let choice = Choice::Show {
            place: format!("snapshots/restore/{}", snapshot.name),
        };
        let label = format!("Restore {}…", snapshot.name);
        click(&label, snapshot.error.is_none(), choice)
    }));
    items
}

fn swarm(view: &View) -> Vec<Item> {
    let Some(swarm) = view
        .swarm
        .as_ref()
        .filter(|one| one.state == SwarmState::On)
    else {
        return Vec::new();
    };
    let service = |one: &SwarmService| {
        let mut items = browse(
            view,
            one.ports.iter().filter_map(|port| {
                let listens = port.protocol == "tcp" && port.error.is_none();
                (listens && port.published != 0).then_some(port.published)
            }),
        );
        items.push(show("Replicas", "swarm"));
        let label = format!("{} – {} of {} run", one.name, one.running, one.desired);
        menu(&label, items)
    };
    let services = &swarm.services;
    let listed = services.iter().take(MOST).map(service);
    let more = more(services.len().saturating_sub(MOST), "swarm");
    listed.chain(more).collect()
}

fn debug_sessions(view: &View) -> Vec<Item> {
    let sessions = view.debug_sessions.iter().map(|one| &one.session);
    sessions
        .filter_map(|session| {
            let id = u32::try_from(session.id).ok()?;
            let label = format!("{} at {}", session.container, session.address);
            let items = vec![
                show("How to connect", "debug"),
                act("Stop", true, Action::StopDebug { id }),
            ];
            Some(menu(&label, items))
        })
        .collect()
}

fn menu(label: &str, items: Vec<Item>) -> Item {
    let label = label.into();
    Item::Menu { label, items }
}

fn act(label: &str, enabled: bool, action: Action) -> Item {
    click(label, enabled, Choice::Act { action })
}

fn show(label: &str, place: &str) -> Item {
    let place = place.into();
    click(label, true, Choice::Show { place })
}

fn click(label: &str, enabled: bool, choice: Choice) -> Item {
    Item::Click {
        label: label.into(),
        enabled,
        choice,
    }
}

#[cfg(test)]
mod tests;
