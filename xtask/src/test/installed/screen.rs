//! A screen that nobody sees.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process::command;

/// An X server of ours, which any user of this host may use.
pub(super) struct Screen {
    server: Child,
    /// As in `DISPLAY`.
    pub(super) display: String,
}

impl Screen {
    pub(super) fn new() -> Result<Self> {
        let mut server = command("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24"])
            .args(["-nolisten", "tcp", "-ac"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run Xvfb")?;
        let output = server.stdout.take().context("no output")?;
        let mut screen = Self {
            server,
            display: String::new(),
        };
        let mut number = String::new();
        BufReader::new(output).read_line(&mut number)?;
        ensure!(!number.trim().is_empty(), "Xvfb has no display");
        screen.display = format!(":{}", number.trim());
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
