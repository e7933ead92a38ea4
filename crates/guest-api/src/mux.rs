//! Many streams over the one byte stream between host and guest.
//!
//! This is yamux (`docs/adr/0002-transport.md` says why): per-stream credit, so that one
//! slow reader stalls only itself; FIN closes one direction; a dropped stream is reset, also when it
//! had sent its FIN.
//! A reset reads as the end of the stream and makes writes fail with `BrokenPipe`.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use yamux::{Config, Connection, Mode};

use crate::message::{self, MessageError};
use crate::stream::{AgentError, AgentErrorCode, StreamHeader, StreamReply};

mod activity;
mod gather;
mod guests;
mod resets;
mod stream;

pub use activity::Activity;
use gather::{Gather, Outlet};
pub use guests::Guests;
use resets::Resets;
pub use stream::MuxStream;

/// How many streams may be open at once, both ends' together.
pub const MAX_STREAMS: usize = 16 << 10;

/// The longest body of a frame, in bytes: what the relays read at once. A stream that waits its
/// turn waits for one of these of each other stream.
const FRAME: usize = 64 << 10;

/// Credit beyond the first 256 KiB of each stream, for all streams together, in bytes. Streams
/// whose reader keeps up are given of it; what a reader leaves lying is held in memory.
const EXTRA_CREDIT: usize = 64 << 20;

/// How long after its streams a transport ends, at most.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// Which end of the transport this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The daemon.
    Host,
    /// The agent.
    Guest,
}

/// The transport has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection between the daemon and the VM has ended")]
pub struct TransportEnded;

/// Why [`Opener::open`] failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The transport has ended.
    #[error(transparent)]
    Ended(#[from] TransportEnded),
    /// The other end sent something else than a reply, or ended the stream.
    #[error("the other end did not answer: {0}")]
    Message(#[from] MessageError),
    /// The other end refused.
    #[error(transparent)]
    Refused(#[from] AgentError),
}

impl OpenError {
    /// The code to act upon.
    pub fn code(&self) -> AgentErrorCode {
        match self {
            Self::Refused(error) => error.code,
            Self::Ended(_) => AgentErrorCode::EngineDown,
            Self::Message(_) => AgentErrorCode::Internal,
        }
    }
}

/// Opens streams. Cheap to clone; does not keep the transport alive.
#[derive(Clone, Debug)]
pub struct Opener {
    requests: mpsc::Sender<Wish>,
    activity: Arc<Activity>,
    in_background: bool,
}

/// Someone wants a stream.
struct Wish {
    stream: oneshot::Sender<MuxStream>,
    in_background: bool,
}

/// Yields the streams that the other end opens, headers not yet read; `None` when the transport has ended.
#[derive(Debug)]
pub struct Incoming {
    streams: mpsc::Receiver<MuxStream>,
}

/// Starts the multiplexer on a task of its own. The transport ends when `io` ends
/// or fails, or when the [`Incoming`] is dropped.
pub fn start(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    end: End,
) -> (Opener, Incoming) {
    let (requests, wanted) = mpsc::channel(64);
    // As many as yamux itself lets be open: a burst waits its turn, and there is a bound.
    let (arrived, streams) = mpsc::channel(MAX_STREAMS);
    let mut config = Config::default();
    // The bound of the streams before the one of the credit, which has to be larger.
    config.set_max_connection_receive_window(None);
    config.set_max_num_streams(MAX_STREAMS);
    let first = MAX_STREAMS * yamux::DEFAULT_CREDIT as usize;
    config.set_max_connection_receive_window(Some(first + EXTRA_CREDIT));
    config.set_split_send_size(FRAME);
    let mode = match end {
        End::Host => Mode::Client,
        End::Guest => Mode::Server,
    };
    let (io, outlet) = gather::gather(io);
    let connection = Connection::new(io, config, mode);
    let activity = Arc::<Activity>::default();
    let driven = run(connection, outlet, end, activity.clone(), wanted, arrived);
    tokio::spawn(driven);
    let opener = Opener {
        requests,
        activity,
        in_background: false,
    };
    (opener, Incoming { streams })
}

impl Opener {
    /// Opens a stream, sends its header and waits for the reply, which is returned with it.
    pub async fn open(&self, header: &StreamHeader) -> Result<(MuxStream, StreamReply), OpenError> {
        let mut stream = self.begin(header).await?;
        let reply = answer(&mut stream).await?;
        Ok((stream, reply))
    }

    /// Opens a stream and sends its header. What is written before the reply has come saves the
    /// time of a round trip, and is lost if the other end refuses. The first thing to read is
    /// the reply, by [`answer`].
    pub async fn begin(&self, header: &StreamHeader) -> Result<MuxStream, OpenError> {
        let (sender, receiver) = oneshot::channel();
        let wish = Wish {
            stream: sender,
            in_background: self.in_background,
        };
        self.requests.send(wish).await.map_err(|_| TransportEnded)?;
        let mut stream = receiver.await.map_err(|_| TransportEnded)?;
        if !self.in_background && header.is_use() {
            stream.counts_as_open();
        }
        message::write(&mut stream, header).await?;
        Ok(stream)
    }

    /// The same, for what goes on all the time: its streams are no [`Activity`].
    pub fn in_background(&self) -> Self {
        Self {
            in_background: true,
            ..self.clone()
        }
    }

    /// What goes over all other streams, those of the other end included.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Completes when the transport has ended.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    /// Whether the transport has ended.
    pub fn has_ended(&self) -> bool {
        self.requests.is_closed()
    }

    /// Whether a stream that has just ended did so with the transport, which ends at the same moment.
    pub async fn took_its_streams(&self) -> bool {
        timeout(SAME_MOMENT, self.ended()).await.is_ok()
    }
}

/// Reads the other end's reply to a header.
pub async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Result<StreamReply, OpenError> {
    match message::expect(stream).await? {
        StreamReply::Err(error) => Err(error.into()),
        reply => Ok(reply),
    }
}

impl Incoming {
    /// The next stream that the other end opened.
    pub async fn accept(&mut self) -> Option<MuxStream> {
        self.streams.recv().await
    }
}

/// Drives the connection: it makes progress only while it is polled for inbound streams.
async fn run<T: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<Gather<T>>,
    outlet: Outlet<T>,
    end: End,
    activity: Arc<Activity>,
    mut wanted: mpsc::Receiver<Wish>,
    arrived: mpsc::Sender<MuxStream>,
) {
    let (resets, to_send) = Resets::new();
    let mut exchange = Some(to_send);
    let mut exchange_on = |stream| {
        if let Some(to_send) = exchange.take() {
            tokio::spawn(resets.clone().exchange(stream, to_send));
        }
    };
    let mut is_first = end == End::Host;
    let mut waiting: Option<Wish> = None;
    let mut openers_left = true;
    let nobody_accepts = arrived.clone();
    let drive = poll_fn(|cx| {
        loop {
            if is_first {
                match connection.poll_new_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        is_first = false;
                        exchange_on(stream);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                    Poll::Pending => {}
                }
            }
            if waiting.is_none() && openers_left {
                match wanted.poll_recv(cx) {
                    Poll::Ready(Some(wish)) => waiting = Some(wish),
                    Poll::Ready(None) => openers_left = false,
                    Poll::Pending => {}
                }
            }
            if waiting.is_some() {
                match connection.poll_new_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        if let Some(wish) = waiting.take() {
                            let counted = (!wish.in_background).then(|| activity.clone());
                            // The asker may have gone; dropping the stream resets it.
                            let _ = wish.stream.send(MuxStream::new(stream, &resets, counted));
                        }
                        continue;
                    }
                    // Too many streams: this asker fails, the others go on.
                    Poll::Ready(Err(yamux::ConnectionError::TooManyStreams)) => {
                        waiting = None;
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                    Poll::Pending => {}
                }
            }
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream)))
                    if end == End::Guest && stream.id().val() == resets::STREAM =>
                {
                    exchange_on(stream);
                }
                Poll::Ready(Some(Ok(stream))) => {
                    let stream = MuxStream::new(stream, &resets, Some(activity.clone()));
                    if arrived.try_send(stream).is_err() {
                        tracing::warn!("a stream of the other end was reset: nobody accepts it");
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(error)),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        // Everything that was to be said has been collected.
        match outlet.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Some(error.into())),
            _ => Poll::Pending,
        }
    });
    let outcome = tokio::select! {
        outcome = drive => outcome,
        () = nobody_accepts.closed() => None,
    };
    if let Some(error) = outcome {
        tracing::debug!(%error, "the transport ended");
    }
}

#[cfg(test)]
mod tests;
