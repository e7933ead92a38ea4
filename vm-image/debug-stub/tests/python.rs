//! Code run in Python processes of this machine.

#![cfg(target_arch = "x86_64")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take; only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Python process that prints lines for ever.
struct Python {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Python {
    fn run(program: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-u", "-c", program])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut python = Self { child, lines };
        python.goes_on();
        python
    }

    fn goes_on(&mut self) {
        for _ in 0..3 {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it has ended");
        }
    }

    /// What code leaves in a file; ten times over, each time from another place of the program.
    fn runs_code(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        for round in 0..10 {
            let name = file.display();
            // In one step, so that it is never read half written.
            let code = format!(
                "import os\nwith open('{name}.new', 'w') as f: f.write('{round} %d' % os.getpid())\n\
                 os.rename('{name}.new', '{name}')\n"
            );
            let said = Command::new(example())
                .args([&self.child.id().to_string(), &code])
                .output()
                .unwrap();
            assert!(said.status.success(), "{said:?}");
            let wanted = format!("{round} {}", self.child.id());
            let until = Instant::now() + PATIENCE;
            while fs::read_to_string(&file).unwrap_or_default() != wanted {
                assert!(Instant::now() < until, "the code did not run");
                // Its output would fill the pipe, and it would wait for that.
                self.goes_on();
                sleep(Duration::from_millis(1));
            }
            self.goes_on();
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example `inject`, which cargo builds with the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples/inject")
}

#[test]
fn while_it_waits() {
    Python::run("import time\nwhile True: time.sleep(0.05); print()").runs_code();
}

#[test]
fn while_it_computes() {
    Python::run("while True: sum(range(10000)); print()").runs_code();
}

#[test]
fn while_one_thread_waits_and_another_computes() {
    Python::run(
        "import threading, time\n\
         def compute():\n    while True: sum(range(10000))\n\
         threading.Thread(target=compute, daemon=True).start()\n\
         while True: time.sleep(0.05); print()",
    )
    .runs_code();
}

#[test]
fn what_is_no_python_is_refused() {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let said = Command::new(example())
        .args([&child.id().to_string(), "pass"])
        .output()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success());
    assert!(text.contains("has no CPython"), "{text}");
}
