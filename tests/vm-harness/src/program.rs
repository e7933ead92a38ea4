use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::patience;

/// A program to run to its end, with its output captured and a watchdog over it.
#[derive(Debug)]
pub struct Program {
    command: Command,
    stdin: Option<Vec<u8>>,
    limit: Duration,
}

impl Program {
    /// A program by path or name; it inherits the environment and has no input.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            command: Command::new(program),
            stdin: None,
            limit: patience(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the working folder.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Sets what it reads before it sees the end of its input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets the watchdog.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The command as it would be run, for [`Live`](crate::Live) and [`Terminal`](crate::Terminal).
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it; an error only when it could not be started or hung.
    pub fn run(mut self) -> Result<Outcome> {
        let what = describe(&self.command);
        let mut child = self
            .command
            .stdin(if self.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {what}"))?;
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin.take()) {
            // A program may end without reading all of it.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > self.limit {
                child.kill()?;
                child.wait()?;
                let text = |pipe: mpsc::Receiver<Vec<u8>>| {
                    let bytes = pipe
                        .recv_timeout(Duration::from_secs(1))
                        .unwrap_or_default();
                    String::from_utf8_lossy(&bytes).into_owned()
                };
                bail!(
                    "{what} hung for {:?}\n{}{}",
                    self.limit,
                    text(stdout),
                    text(stderr)
                );
            }
            thread::sleep(Duration::from_millis(10));
        };
        let rest = |pipe: mpsc::Receiver<Vec<u8>>| {
            pipe.recv_timeout(Duration::from_secs(30))
                .map_err(|_| anyhow!("{what} ended but left its output open"))
        };
        Ok(Outcome {
            status,
            stdout: rest(stdout)?,
            stderr: rest(stderr)?,
            what: what.clone(),
        })
    }

    /// Runs it, and expects success.
    pub fn ok(self) -> Result<Outcome> {
        self.run()?.ok()
    }

    /// Runs it, expects success, and returns what it wrote, trimmed.
    pub fn text(self) -> Result<String> {
        Ok(self.ok()?.text().trim().to_owned())
    }

    /// Runs it, expects failure, and returns everything it wrote.
    pub fn refused(self) -> Result<String> {
        let outcome = self.run()?;
        ensure!(
            !outcome.status.success(),
            "{} should have failed\n{}",
            outcome.what,
            outcome.all()
        );
        Ok(outcome.all())
    }
}

/// What became of a program.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its error output.
    pub stderr: Vec<u8>,
    what: String,
}

impl Outcome {
    /// Fails unless the program succeeded.
    pub fn ok(self) -> Result<Self> {
        ensure!(
            self.status.success(),
            "{} failed ({})\n{}",
            self.what,
            self.status,
            self.all()
        );
        Ok(self)
    }

    /// The output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Output and error output as text.
    pub fn all(&self) -> String {
        format!("{}{}", self.text(), String::from_utf8_lossy(&self.stderr))
    }
}

pub(crate) fn describe(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        text.push(' ');
        match arg.char_indices().nth(200) {
            Some((end, _)) => text.extend([&arg[..end], "…"]),
            None => text.push_str(&arg),
        }
    }
    format!("`{text}`")
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still what the program wrote.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}
