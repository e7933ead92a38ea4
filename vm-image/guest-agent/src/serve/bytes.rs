//! Byte streams: the engine's socket and dialled TCP connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::status::EngineState;
use coracle_guest_api::{AgentError, AgentErrorCode, relay};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{Failure, accept, refuse};
use crate::engine;
use crate::guest::Guest;

/// How long a dialled address may take to answer.
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// How long the reply waits for what the address says first, to leave with it. Whoever dials does not wait
/// for the reply, and each piece that leaves alone wakes the host once more.
const REPLY_WITHIN: Duration = Duration::from_millis(20);

/// Joins the stream with a connection to the engine.
pub(super) async fn engine(guest: &Arc<Guest>, mut stream: MuxStream) -> Result<(), Failure> {
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
        Ok(socket) => {
            accept(&mut stream).await?;
            Ok(relay::both_ways(stream, socket).await?)
        }
        Err(error) => {
            let text = format!("the Docker engine does not accept connections: {error}");
            refuse(stream, AgentError::new(AgentErrorCode::EngineDown, text)).await;
            Ok(())
        }
    }
}

/// Joins the stream with a TCP connection to `address`.
pub(super) async fn tcp(address: SocketAddr, stream: MuxStream) -> Result<(), Failure> {
    let dialled = timeout(DIAL_WITHIN, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match dialled {
        Ok(socket) => {
            // The bytes come in the pieces that the other end of the stream has chosen.
            socket.set_nodelay(true)?;
            let (from_host, mut to_host) = tokio::io::split(stream);
            let (from_address, to_address) = socket.into_split();
            let there = async { Ok(relay::one_way(from_host, to_address).await?) };
            let back = async {
                // In vain where the host speaks first and is slow.
                let _ = timeout(REPLY_WITHIN, from_address.readable()).await;
                accept(&mut to_host).await?;
                Ok(relay::one_way(from_address, to_host).await?)
            };
            tokio::try_join!(there, back).map(drop)
        }
        Err(error) => {
            let text = format!("{address} does not answer: {error}");
            refuse(stream, AgentError::new(AgentErrorCode::Unreachable, text)).await;
            Ok(())
        }
    }
}
