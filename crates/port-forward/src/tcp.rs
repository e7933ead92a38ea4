//! A TCP listener on the host.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use coracle_guest_api::mux::{self, Guests, MuxStream, OpenError};
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
pub(crate) async fn serve(listener: Slot<TcpListener>, container: SocketAddr, guests: Guests) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = poll_fn(|cx| listener.poll(|socket| socket.poll_accept(cx))) => {
                match accepted {
                    Some(Ok((stream, _))) => {
                        connections.spawn(connect(stream, container, guests.clone()));
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

/// What the client says is sent on before the container is reached: by far most are.
async fn connect(mut client: TcpStream, container: SocketAddr, guests: Guests) {
    let header = StreamHeader::DialTcp { address: container };
    let begun = match prepare(&client) {
        Ok(()) => {
            let dialled = async { guests.reach().await?.begin(&header).await };
            timeout(DIAL_TIME, dialled).await
        }
        Err(error) => return tracing::debug!(%error, "a client could not be served"),
    };
    let ended = match begun {
        Ok(Ok(stream)) => carry(&mut client, stream).await,
        Ok(Err(error)) => Err(Broken::Refused(error)),
        Err(_) => Err(Broken::NoAnswer),
    };
    match ended {
        Ok(()) => {}
        Err(Broken::Off(error)) => {
            tracing::debug!(%error, %container, "a forwarded connection broke off");
        }
        Err(refusal) => {
            tracing::debug!(%container, %refusal, "a container could not be reached");
            // A clean end would look like an answer; a reset says what happened.
            let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Why a connection did not end in order.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the VM did not answer within {DIAL_TIME:?}")]
    NoAnswer,
    #[error(transparent)]
    Refused(#[from] OpenError),
    #[error(transparent)]
    Off(#[from] io::Error),
}

async fn carry(client: &mut TcpStream, stream: MuxStream) -> Result<(), Broken> {
    let (from_client, to_client) = client.split();
    let (mut from_container, to_container) = tokio::io::split(stream);
    let there = async { Ok(relay::one_way(from_client, to_container).await?) };
    let back = async {
        let reply = timeout(DIAL_TIME, mux::answer(&mut from_container)).await;
        reply.map_err(|_| Broken::NoAnswer)??;
        Ok(relay::one_way(from_container, to_client).await?)
    };
    tokio::try_join!(there, back).map(drop)
}

fn prepare(client: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    SockRef::from(client).set_tcp_keepalive(&keepalive)
}
