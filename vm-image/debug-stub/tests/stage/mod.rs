//! Programs to debug, the stub, and clients of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take; only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs until it is dropped.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// `programs/busy.c`.
    pub(crate) fn busy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(compiled());
        command.arg(folder.path().join("sum"));
        let program = Self {
            child: command.spawn().unwrap(),
            folder,
        };
        eventually("the program counts", || program.tally().is_some());
        program
    }

    /// A line for the shell.
    pub(crate) fn shell(line: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        Self {
            child: command.spawn().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).unwrap();
    }

    pub(crate) fn sum(&self) -> i64 {
        self.tally().unwrap().0
    }

    pub(crate) fn signals(&self) -> i64 {
        self.tally().unwrap().1
    }

    /// Fails unless its threads count and its main thread forks and writes.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        for _ in 0..2 {
            let before = self.sum();
            eventually("the program goes on", || self.sum() != before);
        }
        assert!(self.is_alive());
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.state().starts_with('Z')
    }

    pub(crate) fn state(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("State:"));
        line.unwrap().trim().to_owned()
    }

    /// Where a function of it is.
    pub(crate) fn address_of(&self, function: &str) -> u64 {
        let output = Command::new("nm").arg(compiled()).output().unwrap();
        let symbols = String::from_utf8(output.stdout).unwrap();
        let suffix = format!(" {function}");
        let line = symbols
            .lines()
            .find(|line| line.ends_with(&suffix))
            .unwrap();
        let offset = u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap();
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.id())).unwrap();
        let start = maps.split('-').next().unwrap();
        u64::from_str_radix(start, 16).unwrap() + offset
    }

    pub(crate) fn byte_at(&self, address: u64) -> u8 {
        use std::os::unix::fs::FileExt;
        let memory = fs::File::open(format!("/proc/{}/mem", self.id())).unwrap();
        let mut byte = [0];
        memory.read_exact_at(&mut byte, address).unwrap();
        byte[0]
    }

    fn tally(&self) -> Option<(i64, i64)> {
        let text = fs::read_to_string(self.folder.path().join("sum")).ok()?;
        let (sum, signals) = text.trim().split_once(' ')?;
        Some((sum.parse().ok()?, signals.parse().ok()?))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn compiled() -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let program =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("busy-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/busy.c");
        let mut compiler = Command::new("gcc");
        compiler.args(["-g", "-O1", "-pthread", "-o"]);
        let status = compiler.arg(&program).arg(source).status().unwrap();
        assert!(status.success());
        program
    })
}

/// A stub that waits for its client.
pub(crate) struct Attached {
    pub(crate) port: u16,
    child: std::cell::RefCell<Child>,
}

impl Attached {
    pub(crate) fn to(pid: u32) -> Self {
        let mut child = Command::new(stub())
            .arg(pid.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        Self {
            port: line.trim().parse().unwrap(),
            child: child.into(),
        }
    }

    /// Connects without gdb, and waits until the process is attached to.
    pub(crate) fn connect(&self) -> Client {
        let client = Client::new(self.port);
        assert_eq!(self.said(), "attached");
        client
    }

    /// Connects, and returns why that did not help.
    pub(crate) fn connect_refused(&self) -> String {
        let _client = Client::new(self.port);
        self.said()
    }

    /// Waits until it has let go.
    pub(crate) fn ended(&self) {
        eventually("the stub ends", || {
            self.child.borrow_mut().try_wait().unwrap().is_some()
        });
    }

    /// Kills the tracer, not its guard.
    pub(crate) fn kill(&self) {
        let guard = self.child.borrow().id();
        let children = format!("/proc/{guard}/task/{guard}/children");
        let tracer = fs::read_to_string(children).unwrap();
        let tracer = Pid::from_raw(tracer.trim().parse().unwrap());
        kill(tracer, Signal::SIGKILL).unwrap();
        self.ended();
    }

    fn said(&self) -> String {
        let mut line = String::new();
        let mut child = self.child.borrow_mut();
        BufReader::new(child.stderr.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut child = self.child.borrow_mut();
        for _ in 0..100 {
            if child.try_wait().unwrap().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The example program, which cargo builds beside the tests.
fn stub() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join("examples/attach")
}

/// A client that sends single packets.
pub(crate) struct Client(TcpStream);

impl Client {
    fn new(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends a packet, and returns the answer's content.
    pub(crate) fn ask(&mut self, packet: &str) -> String {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.send(format!("${packet}#{sum:02x}").as_bytes());
        let mut answer = Vec::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'+' | b'$' => answer.clear(),
                b'#' => break,
                other => answer.push(other),
            }
        }
        self.0.read_exact(&mut [0; 2]).unwrap();
        self.send(b"+");
        String::from_utf8(answer).unwrap()
    }
}

/// What gdb wrote.
pub(crate) struct Said(String);

impl Said {
    #[track_caller]
    pub(crate) fn has(&self, text: &str) {
        assert!(self.0.contains(text), "{text:?} is missing in\n{}", self.0);
    }

    #[track_caller]
    pub(crate) fn has_not(&self, text: &str) {
        assert!(!self.0.contains(text), "{text:?} is in\n{}", self.0);
    }
}

/// Runs gdb's commands on a stub.
pub(crate) fn gdb(port: u16, commands: &[impl AsRef<str>]) -> Said {
    let mut gdb = Command::new("timeout");
    gdb.args(["60", "gdb"]);
    gdb.args(["-nx", "-batch", "-ex", "set pagination off"]);
    gdb.args(["-ex", &format!("target remote :{port}")]);
    for command in commands {
        gdb.args(["-ex", command.as_ref()]);
    }
    let output = gdb.output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    Said(String::from_utf8_lossy(&all).into_owned())
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
