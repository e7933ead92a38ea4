use std::time::{Duration, Instant};

use coracle_daemon_api::{ApiError, ErrorCode, Progress};
use serde_json::json;

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::{Home, Ran};
use crate::terminal::Terminal;

/// A docker CLI that records its arguments and knows a context with this host, if any.
fn docker(home: &Home, known: Option<&str>) {
    let inspect = match known {
        Some(host) => format!("echo {host}"),
        None => "exit 1".into(),
    };
    let log = home.path("docker.log");
    home.script(
        "tools/bin/docker",
        &format!(
            "echo \"$@\" >> {}\ncase \"$2\" in inspect) {inspect};; esac",
            log.display()
        ),
    );
}

#[test]
fn progress_then_how_to_use_it() {
    let home = Home::new();
    docker(&home, None);
    let daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let args = ["start", "--cpus", "4", "--memory", "8GiB", "--disk", "1TiB"];
    let ran = home.coracle(&args).expect(0);
    let stages: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(
        stages,
        ["booting: starting the VM", "engine: waiting for the engine"]
    );
    let host = format!("unix://{}/run/docker.sock", home.state().display());
    for part in [
        "Docker 26.1.5 is ready",
        "docker context use coracle-state",
        &format!("export DOCKER_HOST={host}"),
        "Degraded: the clock was behind",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in {ran:?}");
    }
    let sent = r#"{"cpus":4,"memory_mib":8192,"disk_gib":1024}"#;
    assert_eq!(daemon.bodies("/v1/start"), [sent]);
    let calls = home.read("docker.log");
    let create = calls.lines().last().unwrap();
    assert!(create.starts_with("context create"), "{calls}");
    assert!(create.ends_with(&format!("--docker host={host} coracle-state")));
}

#[test]
fn a_context_that_is_there_is_kept_or_updated() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    docker(&home, Some("unix:///elsewhere"));
    home.coracle(&["start"]).expect(0);
    assert!(home.read("docker.log").contains("context update"));
    let host = format!("unix://{}/run/docker.sock", home.state().display());
    docker(&home, Some(&host));
    home.write("docker.log", "");
    home.coracle(&["start"]).expect(0);
    assert_eq!(home.read("docker.log").lines().count(), 1);
    home.write("docker.log", "");
    home.coracle(&["start", "--no-context"]).expect(0);
    assert_eq!(home.read("docker.log"), "");
}

#[test]
fn json_is_progress_line_by_line() {
    let home = Home::new();
    docker(&home, None);
    let script = Script::new(&home.state());
    let _daemon = FakeDaemon::start(&home.state(), script.clone());
    for verb in ["start", "restart", "stop"] {
        let ran = home.coracle(&[verb, "--json"]).expect(0);
        let lines = ran.json_lines().into_iter();
        let lines: Vec<Progress> = lines
            .map(|line| serde_json::from_value(line).unwrap())
            .collect();
        assert_eq!(lines, script.progress, "{verb}");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_failure_has_its_sentence_and_its_code() {
    let home = Home::new();
    let mut script = Script::new(&home.state());
    let error = ApiError::new(ErrorCode::Missing, "there is no VM image: build one");
    script.progress = vec![Progress::Failed { error }];
    let _daemon = FakeDaemon::start(&home.state(), script);
    let ran = home.coracle(&["start"]).expect(5);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr, "coracle: there is no VM image: build one\n");
    let ran = home.coracle(&["start", "--json"]).expect(5);
    let error = json!({ "code": "missing", "message": "there is no VM image: build one" });
    assert_eq!(ran.json(), json!({ "progress": "failed", "error": error }));
}

#[test]
fn sizes_are_checked_before_anything_happens() {
    let home = Home::new();
    for args in [["--cpus", "0"], ["--memory", "much"], ["--disk", "100MiB"]] {
        home.coracle(&["start", args[0], args[1]]).expect(2);
    }
    assert!(!home.path("state/run").exists());
}

#[test]
fn a_daemon_that_dies_leaves_its_last_words() {
    let home = Home::new();
    home.write("state/log/daemon.log", "words of yesterday\n");
    home.script("bin/coracled", "echo the disk is full >&2; exit 10");
    let ran = home.coracle(&["start"]).expect(9);
    assert!(ran.stderr.contains("the disk is full"), "{ran:?}");
    assert!(ran.stderr.contains("exit status: 10"), "{ran:?}");
    assert!(!ran.stderr.contains("yesterday"), "{ran:?}");
}

#[test]
fn a_daemon_that_says_why_it_ends_is_quoted_with_its_code() {
    let home = Home::new();
    home.script(
        "bin/coracled",
        "echo 'coracled: the file is broken: mend it' >&2; exit 3",
    );
    let ran = home.coracle(&["start"]).expect(3);
    assert_eq!(ran.stderr, "coracle: the file is broken: mend it\n");
}

#[test]
fn a_missing_daemon_is_named() {
    let home = Home::new();
    let ran = home.coracle(&["start"]).expect(5);
    assert!(ran.stderr.contains("bin/coracled"), "{ran:?}");
}

#[test]
fn the_daemon_is_started_in_a_session_of_its_own() {
    let home = Home::new();
    let seen = home.path("seen");
    home.script(
        "bin/coracled",
        &format!(
            "{{ pwd; cut -d' ' -f1,6 /proc/$$/stat; }} > {0}.new; mv {0}.new {0}; exec sleep 5",
            seen.display()
        ),
    );
    let child = home
        .command(&["start", "--no-context"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| seen.exists());
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    Ran::from(child.wait_with_output().unwrap()).expect(0);
    let seen = home.read("seen");
    let (folder, process) = seen.trim().split_once('\n').unwrap();
    let (pid, session) = process.split_once(' ').unwrap();
    assert_eq!((folder, pid), ("/", session));
}

#[test]
fn a_daemon_on_its_way_down_is_waited_for() {
    let home = Home::new();
    let tries = home.path("tries");
    // The lock is held at the first attempt and free at the second.
    home.script(
        "bin/coracled",
        &format!(
            "echo try >> {0}; [ $(wc -l < {0}) -gt 1 ] || exit 8; exec sleep 5",
            tries.display()
        ),
    );
    let child = home
        .command(&["start", "--no-context"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| home.read("tries").lines().count() == 2);
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    Ran::from(child.wait_with_output().unwrap()).expect(0);
}

#[test]
fn a_terminal_sees_each_stage_end() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let mut terminal = Terminal::new(24, 80);
    let mut child = terminal.start(&home, &["start", "--no-context"]);
    terminal.expect("✓ starting the VM (");
    terminal.expect("✓ waiting for the engine (");
    terminal.expect("is ready");
    assert!(child.wait().unwrap().success());
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
