//! What the daemon asks for, a stream at a time.

mod bytes;
mod datagrams;
mod debug;
mod events;
mod exec;
mod file_events;
mod log;
mod status;

use std::sync::Arc;

use coracle_guest_api::message::{self, MessageError};
use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::resumable::Violation;
use coracle_guest_api::{AgentError, AgentErrorCode, StreamHeader, StreamReply};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::guest::Guest;
use crate::suspension::Token;
use crate::{clock, reclaim, suspension};

/// Serves one stream to its end. Runs on a task of its own, so that a panic ends this stream only.
pub(crate) async fn serve(guest: Arc<Guest>, mut stream: MuxStream) {
    let header = match message::expect(&mut stream).await {
        Ok(header) => header,
        Err(MessageError::Malformed(error)) => {
            let text = format!("this agent does not know the request: {error}");
            return refuse(stream, AgentError::new(AgentErrorCode::Unsupported, text)).await;
        }
        Err(_) => return,
    };
    let outcome = dispatch(&guest, header, stream).await;
    if let Err(Failure::Io(error)) = outcome {
        tracing::debug!("a stream ended: {error}");
    }
}

async fn dispatch(
    guest: &Arc<Guest>,
    header: StreamHeader,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    match header {
        StreamHeader::Engine => bytes::engine(guest, stream).await,
        StreamHeader::DialTcp { address } => bytes::tcp(address, stream).await,
        StreamHeader::DialUdp { address } => datagrams::udp(address, stream).await,
        StreamHeader::Exec(request) => exec::exec(guest, request, stream).await,
        StreamHeader::Log { source, follow } => {
            log::log(guest.logs.ring(source), follow, stream).await
        }
        StreamHeader::Status => {
            let status = Some(Box::new(status::status(guest)));
            message::write(&mut stream, &StreamReply::Ok { status }).await?;
            Ok(stream.shutdown().await?)
        }
        StreamHeader::Events => events::events(guest, stream).await,
        StreamHeader::Clock => keep_clock(stream).await,
        StreamHeader::FileEvents => file_events::file_events(guest, stream).await,
        StreamHeader::Suspend { token } => suspend(guest, token, stream).await,
        StreamHeader::Snapshot { token } => snapshot(guest, token, stream).await,
        StreamHeader::Reclaim => {
            match reclaim::reclaim(&guest.reaper).await {
                Ok(()) => accept(&mut stream).await?,
                Err(error) => {
                    let error = AgentError::new(AgentErrorCode::Internal, error.to_string());
                    refuse(stream, error).await;
                    return Ok(());
                }
            }
            Ok(stream.shutdown().await?)
        }
        StreamHeader::Shutdown => {
            accept(&mut stream).await?;
            stream.shutdown().await?;
            guest.power_off.notify_one();
            Ok(())
        }
        StreamHeader::DebugPrepare(target) => debug::prepare(guest, target, stream).await,
        StreamHeader::Debug { target, session } => {
            debug::debug(guest, target, session, stream).await
        }
        StreamHeader::DebugAgain { session } => debug::again(guest, session, stream).await,
        StreamHeader::DebugEnd(target) => debug::end(guest, target, stream).await,
        StreamHeader::Port(_) | StreamHeader::Resolve { .. } => {
            let text = "ports and names are asked for by the guest, not by the host";
            refuse(stream, AgentError::new(AgentErrorCode::Unsupported, text)).await;
            Ok(())
        }
    }
}

/// Takes steps of the clock and tells the time, until the host has no more.
async fn keep_clock(mut stream: MuxStream) -> Result<(), Failure> {
    accept(&mut stream).await?;
    while let Ok(step_ns) = stream.read_i64().await {
        let unix_ns = clock::step(step_ns).map_err(std::io::Error::from)?;
        stream.write_u64(unix_ns).await?;
        stream.flush().await?;
    }
    Ok(stream.shutdown().await?)
}

/// Leaves the transport once everything is written, unless the host takes the order back.
async fn suspend(guest: &Guest, token: Token, stream: MuxStream) -> Result<(), Failure> {
    let Some(mut stream) = written(stream).await? else {
        return Ok(());
    };
    stream.read_u8().await?;
    guest.suspending.order(token);
    Ok(())
}

/// Listens to be called back once everything is written, for as long as the host takes.
async fn snapshot(guest: &Guest, token: Token, stream: MuxStream) -> Result<(), Failure> {
    let _awaiting = guest.recall.listen_for(token);
    if let Some(mut stream) = written(stream).await? {
        stream.read_u8().await?;
    }
    Ok(())
}

/// Accepts once everything is on the disks; without that the host is told why.
async fn written(mut stream: MuxStream) -> Result<Option<MuxStream>, Failure> {
    if let Err(error) = suspension::prepare().await {
        let text = format!("the guest could not write everything to its disks: {error}");
        refuse(stream, AgentError::new(AgentErrorCode::Internal, text)).await;
        return Ok(None);
    }
    accept(&mut stream).await?;
    Ok(Some(stream))
}

/// Why a stream ended before its time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<MessageError> for Failure {
    fn from(error: MessageError) -> Self {
        Self::Io(std::io::Error::other(error))
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Io(std::io::Error::other(violation))
    }
}

async fn accept(stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), Failure> {
    Ok(message::write(stream, &StreamReply::OK).await?)
}

async fn refuse(mut stream: MuxStream, error: AgentError) {
    // Who has gone meanwhile needs no answer.
    if message::write(&mut stream, &StreamReply::Err(error))
        .await
        .is_ok()
    {
        let _ = stream.shutdown().await;
    }
}
