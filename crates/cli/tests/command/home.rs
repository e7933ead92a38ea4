//! A state folder of its own, and the command in an environment that knows nothing else.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a test has: `state` is CORACLE_HOME, `bin` holds the command, `tools/bin` is all it
/// finds beside the system's programs.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        for name in ["bin", "state", "tools/bin", "user"] {
            std::fs::create_dir_all(home.path(name)).unwrap();
        }
        // Away from target/debug, where a true daemon may lie beside it.
        let program = Path::new(env!("CARGO_BIN_EXE_coracle"));
        if std::fs::hard_link(program, home.program()).is_err() {
            run(Command::new("cp").arg(program).arg(home.program()));
        }
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path("bin/coracle")
    }

    /// A program that is a shell script. Written by another process: a file that this one
    /// has open for writing could be held by a sibling's fork and not be startable.
    pub(crate) fn script(&self, name: &str, text: &str) {
        run(Command::new("sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod +x \"$0\"",
            ])
            .arg(self.path(name))
            .arg(text));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The command, ready to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.through(Command::new(self.program()), args)
    }

    /// The same, started by another program.
    pub(crate) fn through(&self, mut command: Command, args: &[&str]) -> Command {
        command
            .args(args)
            .env("CORACLE_HOME", self.state())
            .env("CORACLE_TOOLS_DIR", self.path("tools"))
            .env("CORACLE_IMAGE_DIR", self.path("image"))
            .env("HOME", self.path("user"))
            .env_remove("VISUAL")
            .env_remove("EDITOR")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn coracle(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// All of stdout as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Each line of stdout as a JSON document.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
