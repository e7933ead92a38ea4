use std::process::Command;

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::{Home, Ran};

const VERBS: [&[&str]; 33] = [
    &["start"],
    &["stop"],
    &["restart"],
    &["status"],
    &["logs"],
    &["shell"],
    &["snapshot"],
    &["snapshot", "create"],
    &["snapshot", "list"],
    &["snapshot", "restore"],
    &["snapshot", "delete"],
    &["swarm"],
    &["swarm", "on"],
    &["swarm", "off"],
    &["swarm", "status"],
    &["debug"],
    &["debug", "list"],
    &["debug", "stop"],
    &["watch"],
    &["reclaim"],
    &["config"],
    &["config", "get"],
    &["config", "set"],
    &["config", "list"],
    &["config", "edit"],
    &["default-socket"],
    &["default-socket", "on"],
    &["default-socket", "off"],
    &["default-socket", "status"],
    &["diagnose"],
    &["reset"],
    &["completion"],
    &["version"],
];

#[test]
fn every_verb_explains_itself_with_an_example() {
    let home = Home::new();
    let top = home.coracle(&["--help"]).expect(0).stdout;
    for verb in VERBS {
        let ran = home.coracle(&[verb, &["--help"]].concat()).expect(0);
        let example = format!("coracle {}", verb.join(" "));
        let (_, after) = ran.stdout.split_once("Example:").expect(&example);
        assert!(after.contains(&example), "{after}");
        assert!(top.contains(&format!("  {} ", verb[0])), "{top}");
    }
    let listed = top.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty()).count();
    let tops = VERBS.iter().filter(|verb| verb.len() == 1).count();
    assert_eq!(listed, tops, "a verb is not in this test's list: {top}");
}

#[test]
fn completions_are_scripts() {
    let home = Home::new();
    let bash = home.coracle(&["completion", "bash"]).expect(0).stdout;
    home.write("completion.bash", &bash);
    let check = Command::new("bash")
        .args(["-c", "source \"$0\" && complete -p coracle"])
        .arg(home.path("completion.bash"))
        .output()
        .unwrap();
    Ran::from(check).expect(0);
    let zsh = home.coracle(&["completion", "zsh"]).expect(0).stdout;
    assert!(zsh.starts_with("#compdef coracle"), "{zsh}");
    let fish = home.coracle(&["completion", "fish"]).expect(0).stdout;
    assert!(fish.contains("complete -c coracle"), "{fish}");
    home.coracle(&["completion", "tcsh"]).expect(2);
    for script in [bash, zsh, fish] {
        assert!(script.contains("snapshot") && script.contains("version"));
        assert!(!script.contains("man-pages"), "a hidden verb: {script}");
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let home = Home::new();
    let folder = home.path("user");
    home.coracle(&["man-pages", folder.to_str().unwrap()])
        .expect(0);
    for verb in VERBS {
        let page = home.read(&format!("user/coracle-{}.1", verb.join("-")));
        assert!(
            page.contains(".SH SYNOPSIS") && page.contains("Example:"),
            "{verb:?}: {page}"
        );
    }
    home.coracle(&["man-pages", "/nowhere"]).expect(10);
}

#[test]
fn reset_wants_a_yes() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let ran = home.coracle(&["reset"]).expect(3);
    assert!(ran.stderr.contains("--yes"), "{ran:?}");
    assert!(ran.stderr.contains("volume"), "{ran:?}");
    assert!(daemon.bodies("/v1/reset").is_empty());
    home.coracle(&["reset", "--yes"]).expect(0);
    assert_eq!(daemon.bodies("/v1/reset").len(), 1);
}

#[test]
fn reset_asks_at_a_terminal() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let mut terminal = crate::terminal::Terminal::new(24, 80);
    for (answer, code) in [("n\n", 3), ("y\n", 0)] {
        let mut child = terminal.start(&home, &["reset"]);
        terminal.expect("Delete it all? [y/N]");
        terminal.text.clear();
        terminal.type_keys(answer);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
    assert_eq!(daemon.bodies("/v1/reset").len(), 1);
}

#[test]
fn a_wrong_environment_is_an_error_of_input() {
    let home = Home::new();
    let mut command = home.command(&["status", "--json"]);
    let ran = Ran::from(command.env("CORACLE_HOME", "relative").output().unwrap()).expect(3);
    assert_eq!(ran.json()["error"]["code"], "invalid-input");
    assert!(ran.stderr.starts_with("coracle: CORACLE_HOME"), "{ran:?}");
}

#[test]
fn versions_of_what_is_there() {
    let home = Home::new();
    let ran = home.coracle(&["version", "--json"]).expect(0);
    assert_eq!(ran.json()["command"], env!("CARGO_PKG_VERSION"));
    assert!(ran.json()["daemon"].is_null() && ran.json()["image"].is_null());
    let manifest = r#"{"version":"9","arch":"x86_64","kernel":"6.12","packages":{}}"#;
    home.write("image/manifest.json", manifest);
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let ran = home.coracle(&["version", "--json"]).expect(0);
    assert_eq!(ran.json()["daemon"]["version"], "0.1.0");
    assert_eq!(ran.json()["image"]["version"], "9");
    assert!(home.coracle(&["version"]).stdout.contains("Linux 6.12"));
}
