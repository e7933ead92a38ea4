//! Waiting for news of children and of a connection at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// News of children, from when this was made on.
pub(crate) struct Children(SignalFd);

impl Children {
    /// From now on SIGCHLD interrupts nothing in this thread.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&signals, flags)?))
    }

    /// Waits for news; false when there was none in time.
    pub(crate) fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let millis = u16::try_from(at_most.as_millis()).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        self.poll(&mut fds, millis.into())?;
        self.drain()
    }

    /// Waits for news or for something to read; whether there is something to read.
    pub(crate) fn wait_or_read(&self, other: BorrowedFd<'_>) -> io::Result<bool> {
        let mut fds = [
            PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(other, PollFlags::POLLIN),
        ];
        self.poll(&mut fds, PollTimeout::NONE)?;
        let readable = fds[1].any().unwrap_or(true);
        self.drain()?;
        Ok(readable)
    }

    fn poll(&self, fds: &mut [PollFd<'_>], timeout: PollTimeout) -> io::Result<()> {
        loop {
            match poll(fds, timeout) {
                Err(nix::errno::Errno::EINTR) => {}
                other => return Ok(other.map(drop)?),
            }
        }
    }

    /// Several may have come as one.
    fn drain(&self) -> io::Result<bool> {
        let mut any = false;
        while self.0.read_signal()?.is_some() {
            any = true;
        }
        Ok(any)
    }
}
