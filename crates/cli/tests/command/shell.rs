use std::io::Write;
use std::process::{Command, Stdio};

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::{Home, Ran};
use crate::terminal::Terminal;

#[test]
fn pipes_carry_everything_and_the_exit_code() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let mut child = home
        .command(&["shell", "--workdir", "/srv", "--", "cat", "-n", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = "0123456789".repeat(100_000);
    let copy = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(copy.as_bytes()).unwrap());
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(7);
    writer.join().unwrap();
    assert!(ran.stdout == sent, "{} bytes came back", ran.stdout.len());
    assert_eq!(ran.stderr, "bye\n");
    let request = r#"{"argv":["cat","-n","--json"],"env":[],"cwd":"/srv","tty":null}"#;
    assert_eq!(daemon.bodies("/v1/shell"), [request]);
}

#[test]
fn a_connection_that_ends_early_is_an_error() {
    let home = Home::new();
    home.coracle(&["shell"]).expect(9);
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let ran = home.coracle(&["shell", "die"]).expect(9);
    assert!(ran.stderr.contains("before the command did"), "{ran:?}");
}

#[test]
fn a_terminal_is_raw_resized_and_restored() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let mut terminal = Terminal::new(30, 100);
    let mut child = terminal.start(&home, &["shell"]);
    terminal.expect("<30x100>");
    terminal.type_keys("\x03");
    terminal.expect("\x03");
    assert!(terminal.is_raw());
    terminal.resize(40, 120);
    terminal.expect("<40x120>");
    terminal.type_keys("q");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(!terminal.is_raw());
}

#[test]
fn a_signal_restores_the_terminal_too() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let mut terminal = Terminal::new(24, 80);
    let mut child = terminal.start(&home, &["shell"]);
    terminal.expect("<24x80>");
    terminal.type_keys("x");
    terminal.expect(">x");
    assert!(terminal.is_raw());
    // setsid has replaced itself: the id is the command's.
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert!(!terminal.is_raw());
}
