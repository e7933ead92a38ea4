use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::program::describe;
use crate::{Program, patience};

/// A program that goes on running while the test looks at its lines.
/// It is killed when dropped.
#[derive(Debug)]
pub struct Live {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Live {
    /// Starts it, with a pipe as its input; output and error output come as one sequence of lines.
    pub fn start(program: Program) -> Result<Self> {
        let mut command = program.into_command();
        let what = describe(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {what}"))?;
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        Ok(Self {
            what,
            stdin: child.stdin.take(),
            child,
            lines,
            seen: vec![],
        })
    }

    /// Writes to its input.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its input is closed")?;
        stdin.write_all(bytes)?;
        Ok(stdin.flush()?)
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line, and returns it; fails when the program ends first.
    pub fn line(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<String> {
        let start = Instant::now();
        loop {
            let left = patience().saturating_sub(start.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return Ok(line),
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    bail!(
                        "{} never wrote the line; it wrote\n{}",
                        self.what,
                        self.seen.join("\n")
                    )
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!(
                        "{} ended without the line; it wrote\n{}",
                        self.what,
                        self.seen.join("\n")
                    )
                }
            }
        }
    }

    /// Looks for a line among those that have come; an error when there is none yet.
    pub fn line_now(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<String> {
        while let Ok(line) = self.lines.try_recv() {
            if wanted(&line) {
                return Ok(line);
            }
            self.seen.push(line);
        }
        bail!(
            "{} has not written the line yet; it wrote\n{}",
            self.what,
            self.seen.join("\n")
        )
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < patience() {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not end", self.what)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(pipe: Option<impl Read + Send + 'static>, to: mpsc::Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if to.send(text).is_err() {
                break;
            }
        }
    });
}
