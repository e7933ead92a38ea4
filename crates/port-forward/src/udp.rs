//! A UDP socket on the host: a stream of the guest for each client.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coracle_guest_api::mux::Guests;
use coracle_guest_api::{StreamHeader, datagram};
use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::slot::Slot;

/// A client that is silent, and not spoken to, for so long is forgotten; docker-proxy's value.
pub(crate) const IDLE: Duration = Duration::from_secs(90);

/// Clients at once; further ones are not heard.
pub(crate) const MAX_CLIENTS: usize = 1024;

/// Datagrams of one client that may wait for the guest; further ones are lost.
const QUEUE: usize = 128;

/// How long the guest may take to open a socket.
const DIAL_TIME: Duration = Duration::from_secs(10);

/// Pause after a failed receive.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the socket is closed. Dropping the future forgets all clients.
pub(crate) async fn serve(
    socket: Slot<UdpSocket>,
    container: SocketAddr,
    guests: Guests,
    idle: Duration,
) {
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut sessions = JoinSet::new();
    let mut space = vec![0; datagram::MAX_DATAGRAM];
    loop {
        let received = tokio::select! {
            received = receive(&socket, &mut space) => received,
            Some(_) = sessions.join_next() => {
                clients.retain(|_, queue| !queue.is_closed());
                continue;
            }
        };
        let (payload, client) = match received {
            Some(Ok((length, client))) => (space[..length].to_vec(), client),
            Some(Err(error)) => {
                tracing::debug!(%error, "a published UDP port failed to receive");
                sleep(PAUSE).await;
                continue;
            }
            None => return,
        };
        if clients.get(&client).is_none_or(mpsc::Sender::is_closed) {
            if clients.len() >= MAX_CLIENTS {
                tracing::debug!(%client, "a UDP client is not heard: too many at once");
                continue;
            }
            let (queue, datagrams) = mpsc::channel(QUEUE);
            clients.insert(client, queue);
            let session = Session {
                socket: socket.clone(),
                client,
                last: Mutex::new(Instant::now()),
            };
            sessions.spawn(session.run(container, guests.clone(), datagrams, idle));
        }
        if let Some(queue) = clients.get(&client) {
            // Datagrams may be lost.
            let _ = queue.try_send(payload);
        }
    }
}

async fn receive(
    socket: &Slot<UdpSocket>,
    space: &mut [u8],
) -> Option<io::Result<(usize, SocketAddr)>> {
    let mut buffer = ReadBuf::new(space);
    let received = poll_fn(|cx| socket.poll(|socket| socket.poll_recv_from(cx, &mut buffer))).await;
    let length = buffer.filled().len();
    received.map(|result| result.map(|client| (length, client)))
}

struct Session {
    socket: Slot<UdpSocket>,
    client: SocketAddr,
    /// When a datagram last went either way.
    last: Mutex<Instant>,
}

impl Session {
    async fn run(
        self,
        container: SocketAddr,
        guests: Guests,
        mut datagrams: mpsc::Receiver<Vec<u8>>,
        idle: Duration,
    ) {
        let header = StreamHeader::DialUdp { address: container };
        let dialled = async { guests.reach().await?.open(&header).await };
        let Ok(Ok((stream, _))) = timeout(DIAL_TIME, dialled).await else {
            tracing::debug!(%container, "a container could not be reached by UDP");
            return;
        };
        let (mut from_guest, mut to_guest) = tokio::io::split(stream);
        let outward = async {
            while let Some(payload) = datagrams.recv().await {
                self.touch();
                datagram::write(&mut to_guest, &payload).await?;
            }
            Ok::<_, io::Error>(())
        };
        let inward = async {
            let mut space = vec![0; datagram::MAX_DATAGRAM];
            while let Some(length) = datagram::read(&mut from_guest, &mut space).await? {
                self.touch();
                self.answer(&space[..length]);
            }
            Ok::<_, io::Error>(())
        };
        let silence = async {
            loop {
                let end = self.last() + idle;
                if Instant::now() >= end {
                    break;
                }
                sleep_until(end).await;
            }
            Ok::<_, io::Error>(())
        };
        let ended = tokio::select! {
            ended = outward => ended,
            ended = inward => ended,
            ended = silence => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, client = %self.client, "a UDP session broke off");
        }
    }

    /// Sends without waiting: what the host cannot take now is lost, as datagrams may be.
    fn answer(&self, payload: &[u8]) {
        let client = self.client.into();
        let sent = self
            .socket
            .with(|socket| SockRef::from(socket).send_to(payload, &client));
        if let Some(Err(error)) = sent {
            tracing::debug!(%error, client = %self.client, "a datagram was lost");
        }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
