use coracle_daemon_api::VmUsage;
use serde_json::json;

use super::*;
use crate::fixtures;
use crate::view::{Doing, PublishedPort};

/// The labels, with submenus after a `>`, and what is disabled in brackets.
fn labels(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .flat_map(|item| match item {
            Item::Line(text) => vec![format!("[{text}]")],
            Item::Separator => vec!["-".into()],
            Item::Click { label, enabled, .. } if *enabled => vec![label.clone()],
            Item::Click { label, .. } => vec![format!("[{label}]")],
            Item::Menu { label, items } => {
                let inner = labels(items);
                std::iter::once(label.clone())
                    .chain(inner.into_iter().map(|inner| format!("> {inner}")))
                    .collect()
            }
        })
        .collect()
}

fn has(view: &View, label: &str) -> bool {
    labels(&of(view)).iter().any(|one| one == label)
}

fn container(name: &str, project: Option<&str>, state: &str) -> Container {
    Container {
        id: format!("id-of-{name}"),
        name: name.into(),
        image: "nginx".into(),
        state: state.into(),
        status: String::new(),
        project: project.map(str::to_owned),
        service: project.map(|_| "one".into()),
        folder: None,
        ports: vec![PublishedPort {
            host: 8080,
            container: 80,
        }],
    }
}

#[test]
fn without_a_daemon_there_is_only_to_start_it() {
    let mut view = View::default();
    assert!(has(&view, "[Start]"), "it is looked for yet");
    view.daemon = Link::Gone {
        message: "gone".into(),
    };
    assert!(has(&view, "Start"));
    assert!(has(&view, "[Suspend]"));
    assert!(has(&view, "Quit"));
    assert_eq!(state_line(&view), "Coracle: stopped");
}

#[test]
fn what_runs_can_be_suspended_and_not_started() {
    let view = fixtures::running();
    for label in [
        "[Coracle: running]",
        "[2 CPUs, 3.0 GiB of memory]",
        "[Start]",
        "Suspend",
        "Restart…",
        "Quit (containers go on)",
    ] {
        assert!(has(&view, label), "{label}: {:?}", labels(&of(&view)));
    }
    let busy = View {
        doing: Some(Doing {
            stage: None,
            message: "saving the memory".into(),
        }),
        ..view
    };
    assert!(has(&busy, "[Coracle: saving the memory]"));
    assert!(has(&busy, "[Suspend]"));
}

#[test]
fn what_ends_containers_is_asked_by_the_dashboard() {
    let mut view = fixtures::running();
    let choices = |view: &View| {
        machine(view).map(|item| match item {
            Item::Click { label, choice, .. } => (label, choice),
            other => panic!("{other:?}"),
        })
    };
    let asked = |place: &str| Choice::Show {
        place: place.into(),
    };
    let [_, suspend, restart] = choices(&view);
    let action = Action::Suspend;
    assert_eq!(suspend, ("Suspend".into(), Choice::Act { action }));
    assert_eq!(restart, ("Restart…".into(), asked("ask/restart")));

    let vm = &mut view.status.as_mut().unwrap().vm;
    vm.cannot_suspend = Some("The VM cannot be suspended, only shut down: it is so.".into());
    let [_, suspend, _] = choices(&view);
    assert_eq!(suspend, ("Suspend…".into(), asked("ask/suspend")));
    view.status.as_mut().unwrap().vm.state = VmState::Stopping;
    assert!(has(&view, "[Suspend]"));
}

#[test]
fn containers_are_grouped_by_project_with_their_ports() {
    let view = View {
        containers: Some(vec![
            container("shop-db-1", Some("shop"), "exited"),
            container("shop-web-1", Some("shop"), "running"),
            container("alone", None, "running"),
        ]),
        ..fixtures::running()
    };
    let all = of(&view);
    let Some(Item::Menu { items, .. }) = all
        .iter()
        .find(|item| matches!(item, Item::Menu { label, .. } if label == "Containers"))
    else {
        panic!("no menu of containers");
    };
    // Only those that it is about.
    let Item::Menu { items: shop, .. } = &items[0] else {
        panic!("{items:?}");
    };
    let Some(Item::Click { choice, .. }) = shop.last() else {
        panic!("{shop:?}");
    };
    let (ids, verb) = (vec!["id-of-shop-web-1".into()], ContainerVerb::Stop);
    let action = Action::Containers { ids, verb };
    assert_eq!(*choice, Choice::Act { action });
    assert_eq!(
        labels(items),
        [
            "shop (1 of 2 run)",
            "> shop-db-1 – exited",
            "> > Open localhost:8080",
            "> > Logs",
            "> > Start",
            "> shop-web-1 – running",
            "> > Open localhost:8080",
            "> > Logs",
            "> > Stop",
            "> > Restart",
            "> > Debug",
            "> -",
            "> Start all",
            "> Stop all",
            "alone – running",
            "> Open localhost:8080",
            "> Logs",
            "> Stop",
            "> Restart",
            "> Debug",
        ]
    );
}

#[test]
fn of_very_many_containers_those_that_run_come_first() {
    let mut all: Vec<_> = (0..100)
        .map(|number| container(&format!("old-{number}"), Some("past"), "exited"))
        .collect();
    all.push(container("alone", None, "running"));
    let view = View {
        containers: Some(all),
        ..fixtures::running()
    };
    let shown = containers(&view);
    assert_eq!(shown.len(), 3);
    let Item::Menu { label, items } = &shown[0] else {
        panic!("{shown:?}");
    };
    assert_eq!(label, "past (0 of 100 run)");
    let containers = items
        .iter()
        .filter(|item| matches!(item, Item::Menu { .. }));
    assert_eq!(containers.count(), MOST - 1);
    let shown = labels(&shown);
    assert!(shown.contains(&"alone – running".into()), "{shown:?}");
    assert_eq!(shown.last().unwrap(), "71 more in the dashboard…");
}

#[test]
fn the_machine_is_shown_with_what_it_takes() {
    let mut view = fixtures::running();
    let status = view.status.as_mut().unwrap();
    status.vm.cpu_percent = Some(50);
    status.vm.usage = Some(VmUsage {
        resident_bytes: 3 << 29,
        cpu_ms: 0,
    });
    assert!(has(&view, "[25 % of 2 CPUs, 1.5 of 3.0 GiB of memory]"));
}

#[test]
fn figures_change_what_entries_say_and_not_which_there_are() {
    let mut view = View {
        containers: Some(vec![container("web", None, "running")]),
        ..fixtures::running()
    };
    let take = |view: &mut View, percent| {
        view.status.as_mut().unwrap().vm.cpu_percent = Some(percent);
        of(view)
    };
    let before = take(&mut view, 20);
    let after = take(&mut view, 60);
    assert_ne!(before, after);
    assert!(same_entries(&before, &after));
    // A container's state is in its submenu's name.
    for state in ["paused", "exited"] {
        view.containers = Some(vec![container("web", None, state)]);
        assert!(!same_entries(&after, &of(&view)), "{state}");
    }
    view.containers = Some(vec![container("other", None, "running")]);
    assert!(!same_entries(&after, &of(&view)));
    view.containers = Some(Vec::new());
    assert!(!same_entries(&after, &of(&view)));
}

#[test]
fn services_stand_with_their_replicas_and_sessions_can_be_stopped() {
    let swarm = json!({
        "state": "on", "error": null, "services": [{
            "name": "web", "image": "nginx", "mode": "replicated", "running": 2, "desired": 3, "update": null,
            "ports": [{ "protocol": "tcp", "published": 8090, "target": 80, "mode": "ingress", "error": null }],
        }],
    });
    let mut view = View {
        swarm: Some(serde_json::from_value(swarm).unwrap()),
        debug_sessions: vec![fixtures::debugged("shop-web-1")],
        ..fixtures::running()
    };
    let before = of(&view);
    let all = labels(&before);
    let from = |first: &str, count| {
        let at = all.iter().position(|label| label == first).expect(first);
        all[at..at + count].to_vec()
    };
    let swarm = [
        "Swarm",
        "> web – 2 of 3 run",
        "> > Open localhost:8090",
        "> > Replicas",
    ];
    assert_eq!(from("Swarm", 4), swarm);
    let sessions = [
        "Debug sessions",
        "> shop-web-1 at 127.0.0.1:9229",
        "> > How to connect",
        "> > Stop",
    ];
    assert_eq!(from("Debug sessions", 4), sessions);
    view.swarm.as_mut().unwrap().services[0].running = 3;
    assert!(
        !same_entries(&before, &of(&view)),
        "a submenu keeps its name"
    );
}

#[test]
fn a_snapshot_gets_a_free_name_and_is_restored_by_the_dashboard() {
    let view = View {
        snapshots: vec![fixtures::snapshot("snapshot-1")],
        ..fixtures::running()
    };
    let items = snapshots(&view);
    let Item::Click { choice, .. } = &items[0] else {
        panic!("{items:?}");
    };
    let name = "snapshot-2".into();
    let action = Action::TakeSnapshot { name };
    assert_eq!(*choice, Choice::Act { action });
    let Item::Click { choice, .. } = &items[2] else {
        panic!("{items:?}");
    };
    let place = "snapshots/restore/snapshot-1".into();
    assert_eq!(*choice, Choice::Show { place });
}

#[test]
fn a_choice_survives_as_the_id_of_an_entry() {
    let choice = Choice::Act {
        action: Action::Containers {
            ids: vec!["a".into()],
            verb: ContainerVerb::Stop,
        },
    };
    let id = serde_json::to_string(&choice).unwrap();
    assert_eq!(serde_json::from_str::<Choice>(&id).unwrap(), choice);
}
