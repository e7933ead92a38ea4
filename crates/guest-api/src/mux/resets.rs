//! Resets of streams whose FIN has been sent.
//!
//! yamux has none: a stream that is dropped after its own FIN says nothing, and the other end writes on
//! for as long as it likes. So the first stream of the host is kept for these: each end sends on it the
//! ids of such streams, four bytes each, the most significant first.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::MAX_STREAMS;

/// The id of the host's first stream.
pub(super) const STREAM: u32 = 1;

/// What the ends of all streams share.
#[derive(Clone, Debug)]
pub(super) struct Resets {
    open: Arc<Mutex<HashMap<u32, Weak<Reset>>>>,
    dropped: mpsc::Sender<u32>,
}

/// What one stream knows of its reset.
#[derive(Debug)]
pub(super) struct Reset {
    id: u32,
    all: Resets,
    /// The other end has dropped the stream: it reads nothing of what is written to it.
    is_set: AtomicBool,
    writer: AtomicWaker,
}

impl Resets {
    /// With the ids that are to be sent.
    pub(super) fn new() -> (Self, mpsc::Receiver<u32>) {
        let (dropped, to_send) = mpsc::channel(MAX_STREAMS);
        let open = Arc::default();
        (Self { open, dropped }, to_send)
    }

    pub(super) fn of(&self, id: u32) -> Arc<Reset> {
        let reset = Arc::new(Reset {
            id,
            all: self.clone(),
            is_set: AtomicBool::new(false),
            writer: AtomicWaker::new(),
        });
        self.lock().insert(id, Arc::downgrade(&reset));
        reset
    }

    /// Sends and takes resets until the stream ends, which the transport's end is.
    pub(super) async fn exchange(self, stream: yamux::Stream, mut to_send: mpsc::Receiver<u32>) {
        let (reader, mut writer) = tokio::io::split(stream.compat());
        let sending = async {
            while let Some(id) = to_send.recv().await {
                writer.write_all(&id.to_be_bytes()).await?;
                writer.flush().await?;
            }
            Ok::<_, io::Error>(())
        };
        if let Err(error) = tokio::try_join!(sending, self.take_all(reader)) {
            tracing::debug!(%error, "no more resets are sent");
        }
    }

    async fn take_all(&self, mut reader: impl AsyncRead + Unpin) -> io::Result<()> {
        loop {
            self.take(reader.read_u32().await?);
        }
    }

    /// The other end may send any number.
    fn take(&self, id: u32) {
        let reset = self.lock().get(&id).and_then(Weak::upgrade);
        if let Some(reset) = reset {
            reset.is_set.store(true, Ordering::Release);
            reset.writer.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Weak<Reset>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reset {
    /// Whether a write is in vain. If not the task is woken when it becomes so.
    pub(super) fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.writer.register(cx.waker());
        match self.is_set.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }

    /// Tells the other end, unless it reads nothing of that either.
    pub(super) fn send(&self) {
        let _ = self.all.dropped.try_send(self.id);
    }
}

impl Drop for Reset {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}
