//! The transport with a buffer in each direction.
//!
//! The multiplexer writes a frame's head and body apart and flushes after each frame, and reads
//! them apart too. On a virtio-serial port each write is a buffer of the virtqueue and each
//! wake-up of the guest is dear, so all frames that are ready leave in one piece: a
//! flush by the multiplexer does nothing, and who drives it calls [`Outlet::poll_drain`] when it
//! has nothing more to say.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures::io::BufReader;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much waits for the transport before writers have to, in bytes.
const OUT: usize = 256 << 10;

/// How much is read at once, in bytes.
const IN: usize = 128 << 10;

/// The multiplexer's end.
pub(super) type Gather<T> = BufReader<Inlet<T>>;

#[derive(Debug)]
pub(super) struct Inlet<T>(Outlet<T>);

/// The driver's end.
#[derive(Debug)]
pub(super) struct Outlet<T>(Arc<Mutex<Sending<T>>>);

#[derive(Debug)]
struct Sending<T> {
    io: T,
    bytes: Vec<u8>,
    /// How many of `bytes` have left.
    sent: usize,
}

/// Both ends of a transport.
pub(super) fn gather<T: AsyncRead + Unpin>(io: T) -> (Gather<T>, Outlet<T>) {
    let sending = Sending {
        io,
        bytes: Vec::new(),
        sent: 0,
    };
    let shared = Arc::new(Mutex::new(sending));
    let inlet = Inlet(Outlet(shared.clone()));
    (BufReader::with_capacity(IN, inlet), Outlet(shared))
}

impl<T: AsyncWrite + Unpin> Outlet<T> {
    /// Writes all that waits. Ready when nothing is left.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_drain(cx)
    }
}

impl<T> Outlet<T> {
    fn lock(&self) -> MutexGuard<'_, Sending<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sending<T> {
    fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }
}

impl<T: AsyncWrite + Unpin> Sending<T> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let piece = &self.bytes[self.sent..];
            match Pin::new(&mut self.io).poll_write(cx, piece)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => self.sent += count,
                Poll::Pending => {
                    // What has left must not pile up while there is always more to say.
                    if self.sent > self.bytes.len() / 2 {
                        self.bytes.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

impl<T: AsyncRead + Unpin> futures::AsyncRead for Inlet<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut arrived = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0.lock().io).poll_read(cx, &mut arrived))?;
        Poll::Ready(Ok(arrived.filled().len()))
    }
}

impl<T: AsyncWrite + Unpin> futures::AsyncWrite for Inlet<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut sending = self.0.lock();
        if sending.waiting() >= OUT {
            // Pending with some room again is enough; the driver goes on.
            let drained = sending.poll_drain(cx)?;
            if drained.is_pending() && sending.waiting() >= OUT {
                return Poll::Pending;
            }
        }
        sending.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.0.lock();
        ready!(sending.poll_drain(cx))?;
        Pin::new(&mut sending.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn frames_leave_together_when_the_driver_says_so() {
        let (io, mut other) = tokio::io::duplex(1 << 20);
        let (mut gather, outlet) = gather(io);
        for part in ["head", "body"] {
            gather.write_all(part.as_bytes()).await.unwrap();
            gather.flush().await.unwrap();
        }
        let mut early = [0; 8];
        let read = std::pin::pin!(other.read(&mut early));
        assert!(futures::poll!(read).is_pending());
        poll_fn(|cx| outlet.poll_drain(cx)).await.unwrap();
        assert_eq!(other.read(&mut early).await.unwrap(), 8);
        assert_eq!(&early, b"headbody");
    }

    #[tokio::test]
    async fn who_writes_more_than_the_buffer_waits_for_the_other_end() {
        let (io, mut other) = tokio::io::duplex(1);
        let (mut gather, outlet) = gather(io);
        gather.write_all(&vec![1; OUT + 2]).await.unwrap();
        assert!(futures::poll!(gather.write(&[2])).is_pending());
        let mut all = vec![0; OUT + 2];
        let read = async { other.read_exact(&mut all).await.unwrap() };
        let drain = poll_fn(|cx| outlet.poll_drain(cx));
        let (drained, _) = tokio::join!(drain, read);
        drained.unwrap();
        assert_eq!(gather.write(&[2]).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_came_at_once_is_read_in_parts() {
        let (io, mut other) = tokio::io::duplex(4096);
        let (mut gather, _outlet) = gather(io);
        tokio::io::AsyncWriteExt::write_all(&mut other, b"headbody")
            .await
            .unwrap();
        let mut part = [0; 4];
        gather.read_exact(&mut part).await.unwrap();
        assert_eq!(&part, b"head");
        drop(other);
        let mut rest = Vec::new();
        gather.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"body");
    }
}
