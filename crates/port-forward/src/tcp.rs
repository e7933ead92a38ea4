//! A TCP listener on the host.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use coracle_guest_api::mux::Opener;
use coracle_guest_api::{StreamHeader, relay};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::slot::Slot;

/// Pause after a failed accept: the usual reason, no descriptors left, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the guest may take to reach the container.
const DIAL_TIME: Duration = Duration::from_secs(30);

/// Finds clients that went away without a word.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Accepts until the listener is closed. Dropping the future cuts all connections.
pub(crate) async fn serve(listener: Slot<TcpListener>, container: SocketAddr, opener: Opener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = poll_fn(|cx| listener.poll(|socket| socket.poll_accept(cx))) => {
                match accepted {
                    Some(Ok((stream, _))) => {
                        connections.spawn(connect(stream, container, opener.clone()));
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "a published port could not accept a client");
                        sleep(ACCEPT_PAUSE).await;
                    }
                    None => return,
                }
            }
            // A panic in one connection stays in it.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(client: TcpStream, container: SocketAddr, opener: Opener) {
    let header = StreamHeader::DialTcp { address: container };
    let refusal = match timeout(DIAL_TIME, opener.open(&header)).await {
        Ok(Ok((stream, _))) => {
            let result = match prepare(&client) {
                Ok(()) => relay::both_ways(client, stream).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                tracing::debug!(%error, %container, "a forwarded connection broke off");
            }
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::debug!(%container, refusal, "a container could not be reached");
    // A clean end would look like an answer; a reset says what happened.
    let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
}

fn prepare(client: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    SockRef::from(client).set_tcp_keepalive(&keepalive)
}
