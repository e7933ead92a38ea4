//! Byte streams: the engine's socket and dialled TCP connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::status::EngineState;
use coracle_guest_api::{AgentError, AgentErrorCode};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpStream, UnixStream};

use super::{Failure, accept, refuse};
use crate::engine;
use crate::guest::Guest;

/// Size of the copy buffers in bytes, one per direction.
const BUFFER: usize = 64 << 10;

/// How long a dialled address may take to answer.
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// Joins the stream with a connection to the engine.
pub(super) async fn engine(guest: &Arc<Guest>, stream: MuxStream) -> Result<(), Failure> {
    // dockerd accepts before it answers: without this a request would hang through its start.
    let state = guest.engine.borrow().clone();
    let down = match &state {
        EngineState::Ready => None,
        EngineState::Starting => Some(match guest.no_engine.get() {
            Some(why) => format!("the Docker engine does not run: {why}"),
            None => "the Docker engine is starting".to_owned(),
        }),
        EngineState::Restarting { reason, .. } => {
            Some(format!("the Docker engine is being restarted: {reason}"))
        }
        EngineState::Stopping => Some("the Docker engine is being stopped".to_owned()),
    };
    if let Some(text) = down {
        refuse(stream, AgentError::new(AgentErrorCode::EngineDown, text)).await;
        return Ok(());
    }
    match UnixStream::connect(engine::SOCKET).await {
        Ok(socket) => join(stream, socket).await,
        Err(error) => {
            let text = format!("the Docker engine does not accept connections: {error}");
            refuse(stream, AgentError::new(AgentErrorCode::EngineDown, text)).await;
            Ok(())
        }
    }
}

/// Joins the stream with a TCP connection to `address`.
pub(super) async fn tcp(address: SocketAddr, stream: MuxStream) -> Result<(), Failure> {
    let dialled = tokio::time::timeout(DIAL_WITHIN, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match dialled {
        Ok(socket) => {
            // The bytes come in the pieces that the other end of the stream has chosen.
            socket.set_nodelay(true)?;
            join(stream, socket).await
        }
        Err(error) => {
            let text = format!("{address} does not answer: {error}");
            refuse(stream, AgentError::new(AgentErrorCode::Unreachable, text)).await;
            Ok(())
        }
    }
}

/// Copies both ways, each to its own end.
async fn join(
    mut stream: MuxStream,
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), Failure> {
    accept(&mut stream).await?;
    copy_bidirectional_with_sizes(&mut stream, &mut socket, BUFFER, BUFFER).await?;
    Ok(())
}
