//! Streams of debuggers.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use coracle_guest_api::debug::{DebugTarget, Runtime};
use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::{AgentError, message, relay};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{Failure, accept, refuse};
use crate::debug::{self, Found, node, python};
use crate::guest::Guest;

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

/// Joins the stream with what debugs the process.
pub(super) async fn debug(
    guest: &Arc<Guest>,
    target: DebugTarget,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    let found = match ready(guest, &target).await {
        Ok(found) => found,
        Err(error) => return refused(stream, error).await,
    };
    match found.about.runtime {
        Runtime::Native => native(guest, &found, stream).await,
        Runtime::Node => match node::dial(&found).await {
            Ok(socket) => join(stream, socket).await,
            Err(error) => refused(stream, error).await,
        },
        Runtime::Python => match python(guest, &found).await {
            Ok(socket) => {
                accept(&mut stream).await?;
                Ok(python::relay(stream, socket).await?)
            }
            Err(error) => refused(stream, error).await,
        },
    }
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

/// The stub writes the reply itself, once it has attached or failed.
async fn native(guest: &Arc<Guest>, found: &Found, stream: MuxStream) -> Result<(), Failure> {
    let (ours, its) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = debug::stub_command(found.pid);
    command.stdin(OwnedFd::from(its));
    let _stub = guest.reaper.spawn(&mut command)?;
    // The command holds the stub's end; without it the end of the stream would not come.
    drop(command);
    Ok(relay::both_ways(stream, UnixStream::from_std(ours)?).await?)
}

async fn join(
    mut stream: MuxStream,
    socket: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), Failure> {
    accept(&mut stream).await?;
    Ok(relay::both_ways(stream, socket).await?)
}
