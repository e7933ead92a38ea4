//! The transport's byte stream on loan to the multiplexer.
//!
//! Around a suspension the byte stream goes on while its use changes. The multiplexer reads
//! ahead, so it must not see what comes after its own frames: a lent stream ends for its borrower at the
//! announcement that the agent makes when it has left, and goes back to the lender.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use coracle_vm_driver::ByteStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// The borrower's side.
pub(crate) struct Lent {
    /// None only while it is dropped.
    stream: Option<Box<dyn ByteStream>>,
    end: Arc<Mutex<End>>,
    lender: Option<oneshot::Sender<Box<dyn ByteStream>>>,
}

/// The lender's side.
pub(crate) struct Loan {
    end: Arc<Mutex<End>>,
    returned: oneshot::Receiver<Box<dyn ByteStream>>,
}

/// The bytes at which the loan ends, and how many of them the stream has ended with so far.
#[derive(Default)]
struct End {
    mark: Vec<u8>,
    matched: usize,
    reached: bool,
}

/// Lends a stream.
pub(crate) fn lend(stream: Box<dyn ByteStream>) -> (Lent, Loan) {
    let end = Arc::new(Mutex::new(End::default()));
    let (lender, returned) = oneshot::channel();
    let lent = Lent {
        stream: Some(stream),
        end: end.clone(),
        lender: Some(lender),
    };
    (lent, Loan { end, returned })
}

impl Loan {
    /// From now on the loan ends with these bytes, which begin with a byte that they have only once.
    pub(crate) fn end_at(&self, mark: Vec<u8>) {
        let mut end = lock(&self.end);
        end.mark = mark;
        end.matched = 0;
    }

    /// Waits for the stream and the mark on it; None when the stream ends before that.
    pub(crate) async fn back(self) -> Option<Box<dyn ByteStream>> {
        let Self { end, returned } = self;
        let mut stream = returned.await.ok()?;
        // A borrower that reads little at a time may give up on the first half of the mark.
        while !lock(&end).reached {
            let byte = stream.read_u8().await.ok()?;
            lock(&end).look(&[byte]);
        }
        Some(stream)
    }
}

fn lock(end: &Mutex<End>) -> MutexGuard<'_, End> {
    end.lock().unwrap_or_else(PoisonError::into_inner)
}

impl End {
    /// Looks at what has come; whether it is the end.
    fn look(&mut self, bytes: &[u8]) -> bool {
        if self.mark.is_empty() {
            return false;
        }
        for byte in bytes {
            if *byte != self.mark[self.matched] {
                self.matched = 0;
            }
            if *byte == self.mark[self.matched] {
                self.matched += 1;
            }
            if self.matched == self.mark.len() {
                self.reached = true;
                return true;
            }
        }
        false
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if lock(&this.end).reached {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let stream = this.stream.as_mut().expect("taken by drop only");
        ready!(Pin::new(stream).poll_read(cx, buffer))?;
        if lock(&this.end).look(&buffer.filled()[before..]) {
            // The borrower has no use for the last words of someone who is gone.
            buffer.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.as_mut().expect("taken by drop only")).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.as_mut().expect("taken by drop only")).poll_flush(cx)
    }

    /// The stream itself stays open: it belongs to another.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(stream), Some(lender)) = (self.stream.take(), self.lender.take()) {
            // Nobody waits for it any more: it is closed.
            let _ = lender.send(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_loan_ends_at_the_mark_and_the_stream_goes_on() {
        let (host, mut guest) = tokio::io::duplex(1 << 10);
        let (mut lent, loan) = lend(Box::new(host));
        guest.write_all(b"Cab first ").await.unwrap();
        let mut words = [0; 10];
        lent.read_exact(&mut words).await.unwrap();
        loan.end_at(b"Cab".to_vec());
        // The mark comes in pieces, and after a false start.
        let reading = tokio::spawn(async move {
            let mut rest = Vec::new();
            lent.read_to_end(&mut rest).await.unwrap();
            rest
        });
        for piece in [&b"second CCa"[..], b"b"] {
            guest.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(reading.await.unwrap().starts_with(b"second "));
        let mut stream = loan.back().await.unwrap();
        guest.write_all(b"third").await.unwrap();
        let mut words = [0; 5];
        stream.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"third");
        stream.write_all(b"answer").await.unwrap();
    }

    #[tokio::test]
    async fn a_borrower_that_gives_up_within_the_mark_does_no_harm() {
        let (host, mut guest) = tokio::io::duplex(1 << 10);
        let (mut lent, loan) = lend(Box::new(host));
        loan.end_at(b"Cab".to_vec());
        guest.write_all(b"Cabthird").await.unwrap();
        assert_eq!(lent.read_u8().await.unwrap(), b'C');
        drop(lent);
        let mut stream = loan.back().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b't');
    }

    #[tokio::test]
    async fn a_stream_that_ends_before_the_mark_is_not_given_back() {
        let (host, guest) = tokio::io::duplex(1 << 10);
        let (mut lent, loan) = lend(Box::new(host));
        loan.end_at(b"C".to_vec());
        drop(guest);
        assert_eq!(lent.read(&mut [0]).await.unwrap(), 0);
        drop(lent);
        assert!(loan.back().await.is_none());
    }
}
