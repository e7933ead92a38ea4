//! The stand-in for dockerd's userland proxy.
//!
//! dockerd starts it for every published port of a container, waits for `0\n`, or `1\n` and a
//! text, on descriptor 3, and ends it with SIGINT. It carries no bytes: it asks the agent, which asks the daemon to listen on the host,
//! and its life is the life of that listener. Blocking and small, since there may be hundreds.

mod flags;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use coracle_guest_api::port::PortRequest;
use coracle_guest_api::{StreamReply, message};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::pause;

/// The name under which the agent is this.
pub(crate) const NAME: &str = "coracle-docker-proxy";

/// Where dockerd finds it.
pub(crate) const PATH: &str = "/run/coracle/coracle-docker-proxy";

/// Where the agent takes its requests.
pub(crate) const PORTS_SOCKET: &str = "/run/coracle/ports.sock";

/// How long the agent may take; it bounds its own wait for the daemon below this.
const ANSWER_WITHIN: Duration = Duration::from_secs(14);

/// Asks, reports to dockerd, and waits for the end.
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    // dockerd waits without bound for this process: it has to go at once, whatever it is doing.
    if let Err(error) = leave_on_signals() {
        eprintln!("{NAME}: signals cannot be handled: {error}");
        return ExitCode::FAILURE;
    }
    let asked = flags::parse(arguments)
        .and_then(|request| ask(&request).map_err(|error| error.to_string()));
    let (report, lease) = match asked {
        Ok((StreamReply::Ok { .. }, lease)) => ("0\n".to_owned(), Some(lease)),
        Ok((StreamReply::Err(error), _)) => (format!("1\n{error}"), None),
        Err(text) => (format!("1\n{text}"), None),
    };
    if let Err(error) = report_to_dockerd(&report) {
        eprintln!("{NAME}: dockerd cannot be told: {error}");
        return ExitCode::FAILURE;
    }
    if lease.is_none() {
        return ExitCode::FAILURE;
    }
    loop {
        pause();
    }
}

/// Sends the request to the agent; its answer, and the connection that holds the port.
fn ask(request: &PortRequest) -> io::Result<(StreamReply, UnixStream)> {
    let mut agent = UnixStream::connect(PORTS_SOCKET)?;
    agent.set_read_timeout(Some(ANSWER_WITHIN))?;
    agent.write_all(&message::encode(request).map_err(io::Error::other)?)?;
    let mut length = [0; 4];
    agent.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > message::MAX_MESSAGE {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut bytes = vec![0; length];
    agent.read_exact(&mut bytes)?;
    Ok((message::decode(&bytes).map_err(io::Error::other)?, agent))
}

/// Writes to descriptor 3 and closes it.
fn report_to_dockerd(report: &str) -> io::Result<()> {
    // SAFETY: dockerd passes the descriptor, nothing else in this process uses it, and it is only used
    // here, once. If it is not open, the write fails.
    let mut pipe = unsafe { File::from_raw_fd(3) };
    pipe.write_all(report.as_bytes())
}

fn leave_on_signals() -> nix::Result<()> {
    extern "C" fn leave(_: libc::c_int) {
        // SAFETY: `_exit` is async-signal-safe and does not return.
        unsafe { libc::_exit(0) }
    }
    let action = SigAction::new(
        SigHandler::Handler(leave),
        SaFlags::empty(),
        SigSet::empty(),
    );
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        // SAFETY: the handler only calls `_exit`.
        unsafe { sigaction(signal, &action) }?;
    }
    SigSet::all().thread_unblock()
}
