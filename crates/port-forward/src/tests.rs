//! Leases against a guest of a few lines, which dials the host's own loopback.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::mux::{self, End, Guests, Incoming, MuxStream, OpenError, Opener};
use coracle_guest_api::port::{PortRequest, Protocol};
use coracle_guest_api::{
    AgentError, AgentErrorCode, StreamHeader, StreamReply, datagram, message, relay,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::{Forwarder, bind, slot::Slot, udp};

mod placing;
mod services;
mod tcp_ports;
mod udp_ports;

const SOON: Duration = Duration::from_secs(20);

struct Bed {
    forwarder: Forwarder,
    guests: Guests,
    host: Opener,
    guest: Opener,
}

impl Bed {
    fn new() -> Self {
        let (host_io, guest_io) = tokio::io::duplex(64 << 10);
        let (host, mut wishes) = mux::start(host_io, End::Host);
        let (guest, dials) = mux::start(guest_io, End::Guest);
        tokio::spawn(dial(dials));
        let guests = Guests::default();
        let forwarder = Forwarder::new(guests.clone(), watch::channel(None).1);
        guests.attach(host.clone());
        let served = forwarder.clone();
        tokio::spawn(async move {
            while let Some(mut stream) = wishes.accept().await {
                let served = served.clone();
                tokio::spawn(async move {
                    let StreamHeader::Port(request) = message::expect(&mut stream).await.unwrap()
                    else {
                        panic!("not a port")
                    };
                    served.lease(request, stream).await;
                });
            }
        });
        Self {
            forwarder,
            guests,
            host,
            guest,
        }
    }

    async fn lease(&self, request: &PortRequest) -> Result<MuxStream, AgentError> {
        let header = StreamHeader::Port(request.clone());
        match self.guest.open(&header).await {
            Ok((stream, _)) => Ok(stream),
            Err(OpenError::Refused(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }

    /// Waits until the table is empty.
    async fn no_ports(&self) {
        let mut changed = self.forwarder.changed();
        let empty = async {
            while !self.forwarder.ports().is_empty() {
                changed.changed().await.unwrap();
            }
        };
        timeout(SOON, empty).await.expect("a port is left");
    }
}

async fn dial(mut incoming: Incoming) {
    while let Some(mut stream) = incoming.accept().await {
        tokio::spawn(async move {
            match message::expect(&mut stream).await.unwrap() {
                StreamHeader::DialTcp { address } => match TcpStream::connect(address).await {
                    Ok(container) => {
                        message::write(&mut stream, &StreamReply::OK).await.unwrap();
                        let _ = relay::both_ways(stream, container).await;
                    }
                    Err(error) => {
                        let error = AgentError::new(AgentErrorCode::Unreachable, error.to_string());
                        let reply = StreamReply::Err(error);
                        message::write(&mut stream, &reply).await.unwrap();
                    }
                },
                StreamHeader::DialUdp { address } => {
                    message::write(&mut stream, &StreamReply::OK).await.unwrap();
                    carry_datagrams(stream, address).await;
                }
                other => panic!("{other:?}"),
            }
        });
    }
}

async fn carry_datagrams(stream: MuxStream, address: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let (mut from_host, mut to_host) = tokio::io::split(stream);
    let outward = async {
        let mut space = vec![0; datagram::MAX_DATAGRAM];
        while let Ok(Some(length)) = datagram::read(&mut from_host, &mut space).await {
            socket.send(&space[..length]).await.unwrap();
        }
    };
    let inward = async {
        let mut space = vec![0; datagram::MAX_DATAGRAM];
        while let Ok(length) = socket.recv(&mut space).await {
            datagram::write(&mut to_host, &space[..length])
                .await
                .unwrap();
        }
    };
    tokio::select! {
        () = outward => {}
        () = inward => {}
    }
}

/// A wish for a free port of the host.
fn wish(protocol: Protocol, host_ip: &str, container: SocketAddr) -> PortRequest {
    let host_ip: std::net::IpAddr = host_ip.parse().unwrap();
    let free = std::net::TcpListener::bind((host_ip, 0)).unwrap();
    PortRequest {
        protocol,
        host_ip,
        host_port: free.local_addr().unwrap().port(),
        container_ip: container.ip(),
        container_port: container.port(),
    }
}

fn address(request: &PortRequest) -> SocketAddr {
    (request.host_ip, request.host_port).into()
}

/// A container that answers each connection after its end with what it heard.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.unwrap();
                stream.write_all(&heard).await.unwrap();
            });
        }
    });
    address
}
