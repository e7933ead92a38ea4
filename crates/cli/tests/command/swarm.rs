use coracle_daemon_api::{SwarmPort, SwarmService, SwarmState, SwarmStatus};

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::Home;

fn daemon(home: &Home, state: SwarmState, services: Vec<SwarmService>) -> FakeDaemon {
    let mut script = Script::new(&home.state());
    script.swarm = Some(SwarmStatus {
        state,
        error: None,
        services,
    });
    FakeDaemon::start(&home.state(), script)
}

fn web() -> SwarmService {
    SwarmService {
        name: "web".into(),
        image: "nginx:1".into(),
        mode: "replicated".into(),
        running: 2,
        desired: 6,
        update: None,
        ports: vec![SwarmPort {
            protocol: "tcp".into(),
            published: 8080,
            target: 80,
            mode: "ingress".into(),
            error: Some("it is taken".into()),
        }],
    }
}

#[test]
fn services_are_shown_with_what_is_missing() {
    let home = Home::new();
    let _daemon = daemon(&home, SwarmState::On, vec![web()]);
    let text = home.coracle(&["swarm", "status"]).expect(0).stdout;
    for part in [
        "web",
        "2/6 running",
        "nginx:1",
        "8080 → 80/tcp (missing)",
        "it is taken",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let json = home
        .coracle(&["swarm", "status", "--json"])
        .expect(0)
        .json();
    assert_eq!(json["state"], "on");
    assert_eq!(json["services"][0]["ports"][0]["published"], 8080);
}

#[test]
fn turning_off_wants_a_yes_and_names_the_services() {
    let home = Home::new();
    let daemon = daemon(&home, SwarmState::On, vec![web()]);
    let ran = home.coracle(&["swarm", "off"]).expect(3);
    assert!(
        ran.stderr.contains("--yes") && ran.stderr.contains("web"),
        "{ran:?}"
    );
    let sent = || -> Vec<String> {
        let all = daemon.bodies("/v1/swarm");
        all.into_iter().filter(|body| !body.is_empty()).collect()
    };
    assert!(sent().is_empty());
    home.coracle(&["swarm", "off", "--yes"]).expect(0);
    assert_eq!(sent(), [r#"{"on":false}"#]);
}

#[test]
fn what_is_off_is_turned_off_without_a_question() {
    let home = Home::new();
    let _daemon = daemon(&home, SwarmState::Off, Vec::new());
    let ran = home.coracle(&["swarm", "off"]).expect(0);
    assert!(ran.stdout.contains("coracle swarm on"), "{ran:?}");
}

#[test]
fn without_a_daemon_there_is_no_swarm_to_ask() {
    Home::new().coracle(&["swarm", "on"]).expect(9);
}
