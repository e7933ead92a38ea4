//! Many streams over the one byte stream between host and guest.
//!
//! This is yamux (`docs/adr/0002-transport.md` says why): per-stream credit, so that one
//! slow reader stalls only itself; FIN closes one direction; a dropped stream is reset.
//! A reset reads as the end of the stream and makes writes fail with `BrokenPipe`.

use std::task::Poll;

use futures::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::TokioAsyncReadCompatExt;
use yamux::{Config, Connection, Mode};

use crate::message::{self, MessageError};
use crate::stream::{AgentError, AgentErrorCode, StreamHeader, StreamReply};

mod stream;

pub use stream::MuxStream;

/// How many streams may be open at once, both ends' together.
pub const MAX_STREAMS: usize = 16 << 10;

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
    requests: mpsc::Sender<oneshot::Sender<MuxStream>>,
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
    config.set_max_connection_receive_window(None);
    config.set_max_num_streams(MAX_STREAMS);
    let mode = match end {
        End::Host => Mode::Client,
        End::Guest => Mode::Server,
    };
    let connection = Connection::new(io.compat(), config, mode);
    tokio::spawn(run(connection, wanted, arrived));
    (Opener { requests }, Incoming { streams })
}

impl Opener {
    /// Opens a stream, sends its header and waits for the reply, which is returned with it.
    pub async fn open(&self, header: &StreamHeader) -> Result<(MuxStream, StreamReply), OpenError> {
        let (sender, receiver) = oneshot::channel();
        self.requests
            .send(sender)
            .await
            .map_err(|_| TransportEnded)?;
        let mut stream = receiver.await.map_err(|_| TransportEnded)?;
        message::write(&mut stream, header).await?;
        match message::expect(&mut stream).await? {
            StreamReply::Err(error) => Err(error.into()),
            reply => Ok((stream, reply)),
        }
    }

    /// Completes when the transport has ended.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }
}

impl Incoming {
    /// The next stream that the other end opened.
    pub async fn accept(&mut self) -> Option<MuxStream> {
        self.streams.recv().await
    }
}

/// Drives the connection: it makes progress only while it is polled for inbound streams.
async fn run<T: futures::AsyncRead + futures::AsyncWrite + Unpin>(
    mut connection: Connection<T>,
    mut wanted: mpsc::Receiver<oneshot::Sender<MuxStream>>,
    arrived: mpsc::Sender<MuxStream>,
) {
    let mut waiting: Option<oneshot::Sender<MuxStream>> = None;
    let mut openers_left = true;
    let nobody_accepts = arrived.clone();
    let drive = poll_fn(|cx| {
        loop {
            if waiting.is_none() && openers_left {
                match wanted.poll_recv(cx) {
                    Poll::Ready(Some(sender)) => waiting = Some(sender),
                    Poll::Ready(None) => openers_left = false,
                    Poll::Pending => {}
                }
            }
            if waiting.is_some() {
                match connection.poll_new_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        if let Some(sender) = waiting.take() {
                            // The asker may have gone; dropping the stream resets it.
                            let _ = sender.send(MuxStream::new(stream));
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
                Poll::Ready(Some(Ok(stream))) => {
                    if arrived.try_send(MuxStream::new(stream)).is_err() {
                        tracing::warn!("a stream of the other end was reset: nobody accepts it");
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(error)),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
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
