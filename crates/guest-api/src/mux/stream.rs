//! One stream of the multiplexer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::activity::Activity;
use super::resets::{Reset, Resets};

/// One stream: half-close by `shutdown`, reset by drop.
///
/// yamux has no reset for a stream whose FIN has been sent, and an end that is never read
/// again would stall the other one in its writes for ever. So the other end of a stream dropped between its
/// own FIN and the other's is told, and what it had sent by then is thrown away in the background.
#[derive(Debug)]
pub struct MuxStream {
    /// `None` only while being dropped.
    inner: Option<Compat<yamux::Stream>>,
    reset: Arc<Reset>,
    /// None in the background.
    activity: Option<Arc<Activity>>,
    is_open: bool,
    /// What was written last has had no answer.
    is_owed: bool,
    fin_sent: bool,
    end_read: bool,
}

impl MuxStream {
    pub(super) fn new(
        stream: yamux::Stream,
        resets: &Resets,
        activity: Option<Arc<Activity>>,
    ) -> Self {
        Self {
            activity,
            is_open: false,
            is_owed: false,
            reset: resets.of(stream.id().val()),
            inner: Some(stream.compat()),
            fin_sent: false,
            end_read: false,
        }
    }

    /// Somebody uses the other end by it.
    pub(super) fn counts_as_open(&mut self) {
        if let Some(activity) = &self.activity {
            activity.opened();
            self.is_open = true;
        }
    }

    fn owes_answer(&mut self) {
        if let (true, false, Some(activity)) = (self.is_open, self.is_owed, &self.activity) {
            activity.owes();
            self.is_owed = true;
        }
    }

    fn is_answered(&mut self) {
        if let (true, Some(activity)) = (self.is_owed, &self.activity) {
            activity.has_answered();
            self.is_owed = false;
        }
    }

    /// Also before it could be: a sleeping end takes nothing.
    fn wrote(&self) {
        if let Some(activity) = &self.activity {
            activity.wake();
        }
    }

    fn inner(&mut self) -> Pin<&mut Compat<yamux::Stream>> {
        Pin::new(self.inner.as_mut().expect("taken by drop only"))
    }
}

impl AsyncRead for MuxStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(self.inner().poll_read(cx, buf));
        if result.is_err() || (buf.filled().len() == before && buf.remaining() > 0) {
            self.end_read = true;
        }
        if let Some(activity) = &self.activity {
            activity.read();
        }
        self.is_answered();
        Poll::Ready(result)
    }
}

impl AsyncWrite for MuxStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.reset.check(cx)?;
        self.wrote();
        let written = ready!(self.inner().poll_write(cx, buf));
        self.owes_answer();
        Poll::Ready(written)
    }

    /// What was written leaves by itself, as soon as the transport takes it: to wait for that
    /// would cost a switch to the multiplexer's task and back for each piece.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fin_sent = true;
        self.wrote();
        self.inner().poll_shutdown(cx)
    }
}

impl Drop for MuxStream {
    fn drop(&mut self) {
        self.is_answered();
        if let (true, Some(activity)) = (self.is_open, &self.activity) {
            activity.closed();
        }
        if !self.fin_sent || self.end_read {
            return;
        }
        self.reset.send();
        if let (Some(mut stream), Ok(runtime)) =
            (self.inner.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                let mut scrap = vec![0; 16 << 10];
                while matches!(stream.read(&mut scrap).await, Ok(1..)) {}
            });
        }
    }
}
