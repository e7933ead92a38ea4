//! A terminal for the command, with the test at its other end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::home::Home;

pub(crate) struct Terminal {
    /// The test's end.
    keys: File,
    /// The command's end, kept open so that its mode can be looked at afterwards.
    screen: File,
    output: Receiver<Vec<u8>>,
    pub(crate) text: String,
}

impl Terminal {
    pub(crate) fn new(rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let screen = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let keys = File::from(master);
        let mut reader = keys.try_clone().unwrap();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let terminal = Self {
            keys,
            screen,
            output,
            text: String::new(),
        };
        terminal.resize(rows, columns);
        terminal
    }

    /// Starts the command with this as the controlling terminal of a new session.
    pub(crate) fn start(&self, home: &Home, args: &[&str]) -> Child {
        let mut setsid = Command::new("setsid");
        setsid.args(["--ctty", "--wait"]).arg(home.program());
        home.through(setsid, args)
            .stdin(self.screen.try_clone().unwrap())
            .stdout(self.screen.try_clone().unwrap())
            .stderr(self.screen.try_clone().unwrap())
            .env("TERM", "xterm")
            .spawn()
            .unwrap()
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.keys, size).unwrap();
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen has shown `text`.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.text.contains(text) {
            match self.output.recv_timeout(deadline - Instant::now()) {
                Ok(bytes) => self.text += &String::from_utf8_lossy(&bytes),
                Err(error) => panic!("no {text:?} ({error}) in {:?}", self.text),
            }
        }
    }

    /// Whether keys go to the program one by one and unseen.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.screen).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}
