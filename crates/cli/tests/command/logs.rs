use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::json;

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::Home;

#[test]
fn files_serve_when_the_daemon_does_not() {
    let home = Home::new();
    home.write("state/log/daemon.log", "d1\nd2\n");
    home.write("state/log/vm.log", "kernel\r\n");
    assert_eq!(home.coracle(&["logs"]).expect(0).stdout, "d1\nd2\n");
    assert_eq!(home.coracle(&["logs", "vm"]).expect(0).stdout, "kernel\r\n");
    let ran = home.coracle(&["logs", "engine"]).expect(5);
    assert!(ran.stderr.contains("engine.log"), "{ran:?}");
    let lines = home.coracle(&["logs", "vm", "--json"]).expect(0);
    let line = json!({ "source": "vm", "line": "kernel" });
    assert_eq!(lines.json_lines(), [line]);
}

#[test]
fn the_daemon_is_asked_when_it_runs() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let ran = home.coracle(&["logs", "engine"]).expect(0);
    assert_eq!(ran.stdout, "one\ntwo\n");
    home.coracle(&["logs", "-f", "vm"]).expect(0);
    assert_eq!(
        daemon.bodies("/v1/logs?source=engine&follow=false").len(),
        1
    );
    assert_eq!(daemon.bodies("/v1/logs?source=vm&follow=true").len(), 1);
}

#[test]
fn a_file_is_followed_also_when_it_begins_anew() {
    let home = Home::new();
    home.write("state/log/vm.log", "first line\n");
    let mut child = home
        .command(&["logs", "-f", "vm"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first line");
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(home.path("state/log/vm.log"))
        .unwrap();
    writeln!(log, "second").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "second");
    home.write("state/log/vm.log", "anew\n");
    assert_eq!(lines.next().unwrap().unwrap(), "anew");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let home = Home::new();
    // More than a pipe holds.
    home.write("state/log/daemon.log", &"line\n".repeat(100_000));
    let mut child = home
        .command(&["logs"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
