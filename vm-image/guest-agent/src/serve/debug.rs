//! Streams of debuggers.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use coracle_guest_api::debug::{DebugTarget, Runtime, SessionToken};
use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::{AgentError, AgentErrorCode, StreamReply, message};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::net::{TcpStream, UnixStream};

use super::{Failure, accept, refuse};
use crate::debug::sessions::Line;
use crate::debug::{self, Found, node, python};
use crate::guest::Guest;

/// Between debugpy's conversation and the session, in bytes per direction.
const BUFFER: usize = 64 << 10;

/// Makes the process ready and says which it is.
pub(super) async fn prepare(
    guest: &Arc<Guest>,
    target: DebugTarget,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    let found = match ready(guest, &target).await {
        Ok(found) => found,
        Err(error) => return refused(stream, error).await,
    };
    accept(&mut stream).await?;
    message::write(&mut stream, &found.about).await?;
    Ok(stream.shutdown().await?)
}

/// Joins the stream, and those that follow it, with what debugs the process.
pub(super) async fn debug(
    guest: &Arc<Guest>,
    target: DebugTarget,
    session: SessionToken,
    stream: MuxStream,
) -> Result<(), Failure> {
    let mut line = line(guest, stream);
    let found = match ready(guest, &target).await {
        Ok(found) => found,
        Err(error) => return refused(line.stream, error).await,
    };
    let sessions = &guest.debug_sessions;
    match found.about.runtime {
        Runtime::Native => native(guest, &found, session, line).await,
        Runtime::Node => match node::dial(&found).await {
            Ok(socket) => {
                accept(&mut line.stream).await?;
                Ok(sessions.join(session, line, socket).await?)
            }
            Err(error) => refused(line.stream, error).await,
        },
        Runtime::Python => match python(guest, &found).await {
            Ok(socket) => {
                accept(&mut line.stream).await?;
                let (client, carried) = duplex(BUFFER);
                let joined = sessions.join(session, line, carried);
                let (relayed, joined) = tokio::join!(python::relay(client, socket), joined);
                joined?;
                Ok(relayed?)
            }
            Err(error) => refused(line.stream, error).await,
        },
    }
}

/// The stream takes the place of one that ended with its transport.
pub(super) async fn again(
    guest: &Arc<Guest>,
    session: SessionToken,
    stream: MuxStream,
) -> Result<(), Failure> {
    let line = line(guest, stream);
    match guest.debug_sessions.go_on(session, line).await {
        Ok(()) => Ok(()),
        Err(stream) => {
            let text = "the debug session is over";
            refused(stream, AgentError::new(AgentErrorCode::NoProcess, text)).await
        }
    }
}

fn line(guest: &Guest, stream: MuxStream) -> Line {
    let transport = guest.opener.borrow().clone();
    Line { stream, transport }
}

/// Lets the process forget that it was debugged, as far as it can.
pub(super) async fn end(
    guest: &Arc<Guest>,
    target: DebugTarget,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    // A process that has ended needs no end of its debugging.
    if let Ok(found) = debug::find(target).await {
        match found.about.runtime {
            Runtime::Native => {}
            Runtime::Node => {
                if let Err(error) = node::close(&found).await {
                    tracing::info!("the inspector of process {} stays open: {error}", found.pid);
                }
            }
            Runtime::Python => python::close(&guest.reaper, &found).await,
        }
    }
    accept(&mut stream).await?;
    Ok(stream.shutdown().await?)
}

async fn ready(guest: &Arc<Guest>, target: &DebugTarget) -> Result<Found, AgentError> {
    let found = debug::find(target.clone()).await?;
    match found.about.runtime {
        Runtime::Native => debug::check_traceable(&found)?,
        Runtime::Node => node::open(&found).await?,
        Runtime::Python => {
            debug::check_traceable(&found)?;
            python::open(&guest.reaper, &guest.python, &found).await?;
        }
    }
    Ok(found)
}

async fn python(guest: &Guest, found: &Found) -> Result<TcpStream, AgentError> {
    let port = python::open(&guest.reaper, &guest.python, found).await?;
    python::dial(found, port).await
}

async fn refused(stream: MuxStream, error: AgentError) -> Result<(), Failure> {
    refuse(stream, error).await;
    Ok(())
}

/// The stub says first whether it has attached.
async fn native(
    guest: &Arc<Guest>,
    found: &Found,
    session: SessionToken,
    mut line: Line,
) -> Result<(), Failure> {
    let (ours, its) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = debug::stub_command(found.pid);
    command.stdin(OwnedFd::from(its));
    let _stub = guest.reaper.spawn(&mut command)?;
    // The command holds the stub's end; without it the end of the session would not come.
    drop(command);
    let mut stub = UnixStream::from_std(ours)?;
    let reply: StreamReply = message::expect(&mut stub).await?;
    message::write(&mut line.stream, &reply).await?;
    match reply {
        StreamReply::Ok { .. } => Ok(guest.debug_sessions.join(session, line, stub).await?),
        StreamReply::Err(_) => Ok(line.stream.shutdown().await?),
    }
}
