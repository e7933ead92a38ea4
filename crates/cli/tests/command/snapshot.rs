use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::Home;

fn daemon(home: &Home) -> FakeDaemon {
    FakeDaemon::start(&home.state(), Script::new(&home.state()))
}

#[test]
fn one_that_is_taken_tells_the_pause() {
    let home = Home::new();
    let daemon = daemon(&home);
    let ran = home.coracle(&["snapshot", "create", "first"]).expect(0);
    assert!(ran.stdout.contains("paused for 81 ms"), "{ran:?}");
    let ran = home
        .coracle(&["snapshot", "create", "first", "--json"])
        .expect(0);
    let last = ran.stdout.lines().last().unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["progress"], "done");
    assert_eq!(last["snapshot"]["pause_ms"], 81);
    let bodies = daemon.bodies("/v1/snapshots");
    assert!(
        bodies.contains(&r#"{"name":"first"}"#.to_owned()),
        "{bodies:?}"
    );
}

#[test]
fn they_are_listed() {
    let home = Home::new();
    let _daemon = daemon(&home);
    let ran = home.coracle(&["snapshot", "list"]).expect(0);
    assert!(
        ran.stdout.contains("first") && ran.stdout.contains("300 MiB"),
        "{ran:?}"
    );
    let json = home
        .coracle(&["snapshot", "list", "--json"])
        .expect(0)
        .json();
    assert_eq!(json[0]["name"], "first");
}

#[test]
fn going_back_wants_a_yes_and_tells_the_loss() {
    let home = Home::new();
    let daemon = daemon(&home);
    let path = "/v1/snapshots/restore";
    let ran = home.coracle(&["snapshot", "restore", "first"]).expect(3);
    assert!(
        ran.stderr.contains("--yes") && ran.stderr.contains("lost"),
        "{ran:?}"
    );
    let ran = home
        .coracle(&["snapshot", "restore", "gone", "--yes", "--json"])
        .expect(5);
    assert_eq!(ran.json()["error"]["code"], "missing");
    assert!(daemon.bodies(path).is_empty());
    home.coracle(&["snapshot", "restore", "first", "--yes"])
        .expect(0);
    home.coracle(&["snapshot", "delete", "first"]).expect(0);
    assert_eq!(daemon.bodies(path).len(), 1);
    assert_eq!(daemon.bodies("/v1/snapshots/delete").len(), 1);
}
