use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::pty::{Winsize, openpty};

use crate::program::describe;
use crate::{Program, patience};

/// A program in a terminal of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Terminal {
    what: String,
    child: Child,
    keyboard: File,
    device: File,
    screen: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    /// Starts it in a terminal of so many lines and columns.
    pub fn start(program: Program, rows: u16, columns: u16) -> Result<Self> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).context("cannot open a terminal")?;
        let device = File::from(pty.slave);
        let program = program.into_command();
        let what = describe(&program);
        // setsid(1) makes the device the controlling terminal, which takes unsafe code to do here.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(program.get_program())
            .args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        let child = command
            .env("TERM", "xterm")
            .stdin(device.try_clone()?)
            .stdout(device.try_clone()?)
            .stderr(device.try_clone()?)
            .spawn()
            .with_context(|| format!("cannot run {what}"))?;
        let keyboard = File::from(pty.master);
        let mut output = keyboard.try_clone()?;
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut chunk) {
                // A shell asks where the cursor is, and a real terminal answers.
                if chunk[..length].windows(4).any(|part| part == b"\x1b[6n") {
                    let _ = output.write_all(b"\x1b[1;1R");
                }
                if sender.send(chunk[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            what,
            child,
            keyboard,
            device,
            screen,
            seen: String::new(),
        })
    }

    /// Types.
    pub fn write(&mut self, text: &str) -> Result<()> {
        Ok(self.keyboard.write_all(text.as_bytes())?)
    }

    /// Waits until the text is on the screen after what was waited for before.
    pub fn expect(&mut self, text: &str) -> Result<()> {
        if self.shows(text, patience())? {
            return Ok(());
        }
        bail!(
            "{} never showed {text:?}; it showed\n{}",
            self.what,
            self.seen
        )
    }

    /// Whether the text comes within that time; fails when the program ends without it.
    pub fn shows(&mut self, text: &str, within: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return Ok(true);
            }
            match self.screen.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) if start.elapsed() > within => return Ok(false),
                Err(_) if self.child.try_wait()?.is_some() && self.drained() => {
                    bail!(
                        "{} ended without {text:?}; it showed\n{}",
                        self.what,
                        self.seen
                    )
                }
                Err(_) => {}
            }
        }
    }

    /// Gives the terminal another size, as dragging the window's corner does.
    pub fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        let status = Command::new("stty")
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(self.device.try_clone()?)
            .status()?;
        anyhow::ensure!(status.success(), "stty failed");
        Ok(())
    }

    /// Waits for the program's end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < patience() {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not end; it showed\n{}", self.what, self.seen)
    }

    /// Whether everything that was written has been seen.
    fn drained(&mut self) -> bool {
        match self.screen.try_recv() {
            Ok(bytes) => {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
                false
            }
            Err(_) => true,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
