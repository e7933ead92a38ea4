//! The byte stream to the daemon, whatever carries it.
//!
//! A [`TransportSource`] yields byte streams, one after the other; on each the preamble is
//! awaited, then the multiplexer runs until the stream ends, or until the VM is to be suspended or goes
//! on from a snapshot: then the stream goes on, with another daemon at its end. Another carrier (vsock) is another
//! source beside [`virtio_serial`].

mod fd_stream;
mod virtio_serial;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::mux::{self, End};
use coracle_guest_api::preamble::PreambleError;
use coracle_guest_api::{HelloReply, PROTOCOL_VERSION, preamble};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::guest::Guest;
use crate::memory::Ended;
use crate::recall::Recallable;
use crate::suspension::Token;
use crate::{clock, serve};

pub(crate) use fd_stream::FdStream;
pub(crate) use virtio_serial::VirtioSerial;

/// Pause after a stream that failed, so that a broken host cannot make the agent spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Yields the byte streams on which a daemon may be.
pub(crate) trait TransportSource: Send {
    /// An ordered, reliable byte stream, which ends when the daemon goes away.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits until a daemon may be there. Called again only after the stream before was dropped.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Serves one daemon after the other.
pub(crate) async fn serve(guest: Arc<Guest>, mut source: impl TransportSource) -> Infallible {
    let mut suspended = None;
    loop {
        match source.next().await {
            Ok(stream) => match serve_one(&guest, stream, suspended.take()).await {
                Ok(token) => suspended = token,
                Err(error) => {
                    tracing::warn!("a connection of the daemon failed: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Err(error) => {
                tracing::error!("there is no transport: {error}");
                tokio::time::sleep(10 * PAUSE).await;
            }
        }
    }
}

/// Serves until `stream` ends, or a suspension or a call back ends its use; then the token of the next
/// preamble is returned. `suspended` is the one of the last of these, if that was what came before.
async fn serve_one(
    guest: &Arc<Guest>,
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    suspended: Option<Token>,
) -> Result<Option<Token>, PreambleError> {
    let (secret, introduction) = (&guest.config.secret, introduction());
    let accepted = match suspended {
        Some(token) => preamble::accept_again(&mut stream, token, secret, &introduction).await,
        None => preamble::accept(&mut stream, secret, &introduction).await,
    };
    let hello = match accepted {
        Ok(hello) => hello,
        // Nobody was there, or they left again.
        Err(PreambleError::Message(mux_error)) if is_end(&mux_error) => return Ok(None),
        Err(error) => return Err(error),
    };
    tracing::info!("the daemon {} is connected", hello.daemon_version);
    if let Err(error) = clock::advance_to(hello.unix_ns) {
        tracing::warn!("the clock could not be set: {error}");
    }
    let stream = Recallable::new(stream, guest.recall.clone());
    let (opener, mut incoming) = mux::start(stream, End::Guest);
    guest.opener.send_replace(Some(opener.clone()));
    let ended = Arc::new(Ended::default());
    let serving = async {
        loop {
            let stream = tokio::select! {
                stream = incoming.accept() => stream,
                token = guest.suspending.ordered() => break Some(token),
            };
            let Some(stream) = stream else { break None };
            let (guest, ended) = (guest.clone(), ended.clone());
            tokio::spawn(async move {
                serve::serve(guest, stream).await;
                ended.tell();
            });
        }
    };
    let token = tokio::select! {
        token = serving => token,
        never = ended.give_back() => match never {},
    };
    guest.opener.send_replace(None);
    drop(incoming);
    // Whoever comes next reads the same stream: the multiplexer must be off it.
    opener.ended().await;
    let recalled = guest.recall.take();
    match (token, recalled) {
        (_, Some(_)) => tracing::info!("the VM goes on from a snapshot"),
        (Some(_), None) => tracing::info!("the VM is about to be suspended"),
        (None, None) => tracing::info!("the daemon is gone"),
    }
    Ok(recalled.or(token))
}

fn is_end(error: &coracle_guest_api::message::MessageError) -> bool {
    use coracle_guest_api::message::MessageError;
    matches!(error, MessageError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}

fn introduction() -> HelloReply {
    HelloReply {
        protocol: PROTOCOL_VERSION,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .map(|release| release.trim().to_owned())
            .unwrap_or_default(),
        capabilities: Vec::new(),
    }
}
