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
        service: None,
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
        "Restart",
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
fn containers_are_grouped_by_project_with_their_ports() {
    let view = View {
        containers: Some(vec![
            container("shop-db-1", Some("shop"), "exited"),
            container("shop-web-1", Some("shop"), "running"),
            container("alone", None, "running"),
        ]),
        ..fixtures::running()
    };
    let items = of(&view);
    let Some(Item::Menu { items, .. }) = items
        .iter()
        .find(|item| matches!(item, Item::Menu { label, .. } if label == "Containers"))
    else {
        panic!("no menu of containers");
    };
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
            "alone – running",
            "> Open localhost:8080",
            "> Logs",
            "> Stop",
            "> Restart",
        ]
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
        action: Action::Container {
            id: "a".into(),
            verb: ContainerVerb::Stop,
        },
    };
    let id = serde_json::to_string(&choice).unwrap();
    assert_eq!(serde_json::from_str::<Choice>(&id).unwrap(), choice);
}
