//! Starting the process of an exec stream.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use coracle_guest_api::exec::{ExecRequest, TerminalSize};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWriteExt, WriteHalf};
use tokio::net::unix::pipe;

use crate::command;
use crate::reaper::{Exit, Reaper};
use crate::transport::FdStream;

/// What a terminal takes for the end of input.
const END_OF_TRANSMISSION: u8 = 4;

nix::ioctl_write_ptr_bad!(set_window_size, libc::TIOCSWINSZ, Winsize);
nix::ioctl_write_int_bad!(set_controlling_terminal, libc::TIOCSCTTY);

/// A process that runs, leader of its own process group.
pub(super) struct Session {
    /// Its process id.
    pub(super) pid: Pid,
    /// Its end.
    pub(super) exit: Exit,
    /// Where its input goes.
    pub(super) input: Input,
    /// Its output; everything, with a terminal.
    pub(super) output: Box<dyn AsyncRead + Send + Unpin>,
    /// Its error output, without a terminal.
    pub(super) error_output: Option<pipe::Receiver>,
}

/// The writing side.
pub(super) enum Input {
    /// A pipe; `None` when it was closed.
    Pipe(Option<pipe::Sender>),
    /// The terminal, with a descriptor for its size.
    Terminal(WriteHalf<FdStream>, OwnedFd),
}

/// Starts what is asked for.
pub(super) fn start(reaper: &Reaper, request: &ExecRequest) -> io::Result<Session> {
    let mut command = prepare(request);
    match request.tty {
        Some(size) => with_terminal(reaper, &mut command, size),
        None => with_pipes(reaper, &mut command),
    }
}

impl Input {
    /// Writes all of it. A process that does not read any more loses it, as from any pipe.
    pub(super) async fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Pipe(Some(pipe)) => {
                if pipe.write_all(bytes).await.is_err() {
                    *self = Self::Pipe(None);
                }
            }
            Self::Pipe(None) => {}
            Self::Terminal(terminal, _) => {
                let _ = terminal.write_all(bytes).await;
            }
        }
    }

    /// Lets the process see the end of its input.
    pub(super) async fn end(&mut self) {
        match self {
            Self::Pipe(pipe) => drop(pipe.take()),
            Self::Terminal(..) => self.feed(&[END_OF_TRANSMISSION]).await,
        }
    }

    /// Changes the terminal's size; nothing without one.
    pub(super) fn resize(&self, size: TerminalSize) {
        if let Self::Terminal(_, terminal) = self
            && let Err(error) = resize(terminal, size)
        {
            tracing::debug!("a terminal was not resized: {error}");
        }
    }
}

fn prepare(request: &ExecRequest) -> Command {
    let shell = if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    };
    let mut command = match request.argv.split_first() {
        Some((program, arguments)) => {
            let mut command = command::program(program);
            command.args(arguments);
            command
        }
        None => {
            let mut command = command::program(shell);
            command.arg("-l");
            command
        }
    };
    command
        .env("SHELL", shell)
        .env("USER", "root")
        .envs(request.env.iter().map(|(name, value)| (name, value)))
        .current_dir(request.cwd.as_deref().unwrap_or("/root"));
    command
}

fn with_pipes(reaper: &Reaper, command: &mut Command) -> io::Result<Session> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut running = reaper.spawn(command)?;
    let missing = || io::Error::other("a pipe is missing");
    Ok(Session {
        pid: running.pid,
        exit: running.exit,
        input: Input::Pipe(Some(command::writer(
            running.pipes.stdin.take().ok_or_else(missing)?,
        )?)),
        output: Box::new(command::reader(
            running.pipes.stdout.take().ok_or_else(missing)?,
        )?),
        error_output: Some(command::reader(
            running.pipes.stderr.take().ok_or_else(missing)?,
        )?),
    })
}

fn with_terminal(
    reaper: &Reaper,
    command: &mut Command,
    size: TerminalSize,
) -> io::Result<Session> {
    let (master, slave) = open_terminal()?;
    resize(&master, size)?;
    command
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(slave);
    // SAFETY: runs in the child between fork and exec; setsid and ioctl are async-signal-safe and
    // nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            set_controlling_terminal(0, 0)?;
            Ok(())
        });
    }
    let running = reaper.spawn(command)?;
    // The command holds the terminal's other end; without it the end of the output would not come.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let for_size = master.try_clone()?;
    let (output, input) = tokio::io::split(FdStream::new(master)?);
    Ok(Session {
        pid: running.pid,
        exit: running.exit,
        input: Input::Terminal(input, for_size),
        output: Box::new(output),
        error_output: None,
    })
}

/// Both ends of a fresh terminal. Neither may leak into another child, or its hang-up would never come: hence not
/// `openpty`, which cannot open them closed-on-exec.
fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = open(ptsname_r(&master)?.as_str(), flags, Mode::empty())?;
    Ok((OwnedFd::from(master), slave))
}

fn resize(terminal: &OwnedFd, size: TerminalSize) -> nix::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open and the size outlives the call.
    unsafe { set_window_size(terminal.as_raw_fd(), &size) }.map(drop)
}
