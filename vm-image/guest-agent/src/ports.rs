//! Published ports: between the userland proxy stand-ins and the daemon.
//!
//! Each stand-in ([`crate::docker_proxy`]) connects and sends its request. The agent asks the
//! daemon on a stream of its own, which is the lease: open for as long as the stand-in lives. When
//! the transport ends the stand-ins stay, and every live lease is asked for again.

mod loopback;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::mux::{MuxStream, OpenError, Opener};
use coracle_guest_api::port::PortRequest;
use coracle_guest_api::{AgentError, AgentErrorCode, StreamHeader, StreamReply, message};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::docker_proxy;
use crate::guest::{Degraded, Guest};

/// How long a new request waits for the daemon. dockerd gives up after 16 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Pause before a lost lease is asked for again from the same daemon.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Listens for stand-ins.
pub(crate) fn listen() -> io::Result<UnixListener> {
    UnixListener::bind(docker_proxy::PORTS_SOCKET)
}

/// Serves stand-ins for ever.
pub(crate) async fn serve(guest: Arc<Guest>, listener: UnixListener) -> std::convert::Infallible {
    loop {
        match listener.accept().await {
            Ok((stand_in, _)) => {
                let guest = guest.clone();
                tokio::spawn(async move {
                    hold(stand_in, guest.opener.subscribe(), &guest.degraded).await
                });
            }
            Err(error) => {
                tracing::error!("a port request could not be taken: {error}");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Holds a port for as long as its stand-in lives.
async fn hold(
    mut stand_in: UnixStream,
    openers: watch::Receiver<Option<Opener>>,
    degraded: &Degraded,
) {
    let Ok(request) = message::expect::<PortRequest>(&mut stand_in).await else {
        return;
    };
    let (mut reader, mut writer) = stand_in.into_split();
    let about = format!("port {}/{}", request.host_port, request.protocol);
    let lease = async {
        let first = tokio::time::timeout(ANSWER_WITHIN, ask(&request, openers.clone())).await;
        let outcome = first.unwrap_or_else(|_| {
            let text = "the Coracle daemon did not answer: see `coracle status` on the host";
            Err(AgentError::new(AgentErrorCode::Internal, text))
        });
        // Before the answer, so that it is there as soon as `docker run` goes on.
        let listener = match &outcome {
            Ok(_) => loopback::listen(&request).await,
            Err(_) => None,
        };
        let reply = match &outcome {
            Ok(_) => StreamReply::OK,
            Err(error) => StreamReply::Err(error.clone()),
        };
        if message::write(&mut writer, &reply).await.is_err() {
            return;
        }
        if let Ok(lease) = outcome {
            tokio::select! {
                () = keep(&request, lease, openers, degraded, &about) => {}
                never = loopback::serve(listener, &request) => match never {},
            }
        }
    };
    tokio::select! {
        () = lease => {}
        // A stand-in says nothing more; this is its end.
        _ = reader.read_u8() => {}
    }
    degraded.clear(&about);
}

/// Stays with a lease, and gets a new one whenever it was lost.
async fn keep(
    request: &PortRequest,
    mut lease: MuxStream,
    openers: watch::Receiver<Option<Opener>>,
    degraded: &Degraded,
    about: &str,
) {
    loop {
        // The daemon says nothing on it either.
        let _ = lease.read_u8().await;
        lease = loop {
            match ask(request, openers.clone()).await {
                Ok(lease) => break lease,
                Err(error) => {
                    let (port, ip) = (request.host_port, request.host_ip);
                    degraded.set(about, format!("Port {port} on {ip} is published by a container and not reachable: {error}."));
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        };
        degraded.clear(about);
    }
}

/// Asks the daemon, once there is one.
async fn ask(
    request: &PortRequest,
    mut openers: watch::Receiver<Option<Opener>>,
) -> Result<MuxStream, AgentError> {
    loop {
        let opener = match openers.wait_for(Option::is_some).await {
            Ok(found) => found.clone(),
            Err(_) => None,
        };
        let Some(opener) = opener else {
            return Err(AgentError::new(
                AgentErrorCode::Internal,
                "the VM is being stopped",
            ));
        };
        match opener.open(&StreamHeader::Port(request.clone())).await {
            Ok((lease, _)) => return Ok(lease),
            Err(OpenError::Refused(error)) => return Err(error),
            // The transport ended meanwhile: the next one is waited for.
            Err(OpenError::Ended(_) | OpenError::Message(_)) => {
                tokio::time::sleep(RETRY_AFTER / 20).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
