use coracle_daemon_api::{ApiError, ErrorCode};
use serde_json::{Value, json};

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::{Home, Ran};

fn edited(home: &Home, editor: &str) -> Ran {
    let mut command = home.command(&["config", "edit"]);
    Ran::from(command.env("EDITOR", editor).output().unwrap())
}

#[test]
fn settings_are_read() {
    let home = Home::new();
    let mut script = Script::new(&home.state());
    script.settings[0].value = json!(8);
    let _daemon = FakeDaemon::start(&home.state(), script);
    let ran = home.coracle(&["config", "get", "vm.cpus"]).expect(0);
    assert_eq!(ran.stdout, "8\n");
    let ran = home.coracle(&["config", "get", "note"]).expect(0);
    assert_eq!(ran.stdout, "x\n");
    let ran = home.coracle(&["config", "get", "nothing"]).expect(3);
    assert!(ran.stderr.contains("\"nothing\""), "{ran:?}");
    let list = home.coracle(&["config", "list"]).expect(0).stdout;
    assert!(list.contains("* vm.cpus = 8"), "{list}");
    assert!(list.contains("  note    = x"), "{list}");
    let list = home.coracle(&["config", "list", "--json"]).expect(0).json();
    assert_eq!(list[0]["default"], 2);
}

#[test]
fn settings_are_changed() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let ran = home.coracle(&["config", "set", "vm.cpus", "4"]).expect(0);
    assert!(ran.stdout.starts_with("vm.cpus = 4\n"), "{ran:?}");
    assert!(ran.stdout.contains("coracle restart"), "{ran:?}");
    home.coracle(&["config", "set", "note", "a b"]).expect(0);
    let sent = daemon.bodies("/v1/settings");
    let changes: Vec<&String> = sent.iter().filter(|body| !body.is_empty()).collect();
    assert_eq!(
        changes,
        [
            r#"[{"key":"vm.cpus","value":4}]"#,
            r#"[{"key":"note","value":"a b"}]"#
        ]
    );
}

#[test]
fn a_refusal_of_the_daemon_comes_through() {
    let home = Home::new();
    let mut script = Script::new(&home.state());
    let sentence = "vm.cpus must be 1 to 8";
    script.refusal = Some(ApiError::new(ErrorCode::InvalidInput, sentence));
    let _daemon = FakeDaemon::start(&home.state(), script);
    let args = ["config", "set", "vm.cpus", "99", "--json"];
    let ran = home.coracle(&args).expect(3);
    let error = json!({ "code": "invalid-input", "message": sentence });
    assert_eq!(ran.json(), json!({ "error": error }));

    let ran = edited(&home, "sed -i s/2/99/").expect(3);
    assert!(ran.stderr.contains(sentence), "{ran:?}");
    let path = ran.stderr.trim().rsplit(' ').next().unwrap();
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(kept, json!({ "vm.cpus": 99, "note": "x" }));
}

#[test]
fn an_editor_changes_what_it_changed() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let ran = edited(&home, "true").expect(0);
    assert_eq!(ran.stdout, "Nothing changed.\n");
    edited(&home, "sed -i 's/: 2/: 6/'").expect(0);
    let last = daemon.bodies("/v1/settings").pop().unwrap();
    assert_eq!(last, r#"[{"key":"vm.cpus","value":6}]"#);

    let ran = edited(&home, "sed -i 1d").expect(3);
    let path = ran.stderr.trim().rsplit(' ').next().unwrap();
    assert!(std::fs::read_to_string(path).unwrap().contains("vm.cpus"));
    std::fs::remove_file(path).unwrap();
    edited(&home, "false").expect(3);
    home.coracle(&["config", "edit"]).expect(5);
}
