//! A file descriptor that can be polled, as a byte stream.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A character device in non-blocking mode: a virtio-serial port, the master of a terminal.
///
/// It has no half-close: a shutdown only flushes.
pub(crate) struct FdStream(AsyncFd<OwnedFd>);

impl FdStream {
    /// Takes the descriptor over and sets it to non-blocking.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // SAFETY: an `OwnedFd` is one open descriptor until it is dropped, which happens after this `AsyncFd`.
        Ok(Self(unsafe { AsyncFd::register(fd) }?))
    }
}

impl AsyncRead for FdStream {
    /// Reads until nothing more is there or the buffer is full: such a device hands out a page per call.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        while buffer.remaining() > 0 {
            let mut guard = match self.0.poll_read_ready(cx) {
                Poll::Ready(guard) => guard?,
                Poll::Pending if buffer.filled().len() > before => break,
                Poll::Pending => return Poll::Pending,
            };
            match guard.try_io(|fd| Ok(nix::unistd::read(fd, buffer.initialize_unfilled())?)) {
                Ok(Ok(0)) => break,
                Ok(Ok(length)) => buffer.advance(length),
                // A terminal whose last process has gone.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::EIO as i32) => break,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) if buffer.filled().len() > before => break,
                Err(_would_block) => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FdStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            match guard.try_io(|fd| Ok(nix::unistd::write(fd, bytes)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(outcome) => return Poll::Ready(outcome),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_pass_a_terminal_and_its_end_is_an_end() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let mut raw = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
        nix::sys::termios::cfmakeraw(&mut raw);
        nix::sys::termios::tcsetattr(&pty.slave, nix::sys::termios::SetArg::TCSANOW, &raw).unwrap();
        let mut master = FdStream::new(pty.master).unwrap();
        let mut slave = FdStream::new(pty.slave).unwrap();
        let sent: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            slave.write_all(&copy).await.unwrap();
            slave
        });
        let mut got = vec![0; sent.len()];
        master.read_exact(&mut got).await.unwrap();
        assert!(got == sent);
        drop(writer.await.unwrap());
        assert_eq!(master.read(&mut got).await.unwrap(), 0);
    }
}
