//! Queries passed on unchanged.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::wire::{self, Over};

/// How long a server may take to each of two tries, or to one on a stream.
const TRY: Duration = Duration::from_secs(2);

/// Name servers, the first of which is asked first.
pub(super) struct Upstream(pub(super) Vec<SocketAddr>);

impl Upstream {
    /// The first answer; `None` when no server gives one.
    pub(super) async fn ask(&self, query: &[u8], over: Over) -> Option<Vec<u8>> {
        for server in &self.0 {
            let tries = match over {
                Over::Udp => 2,
                Over::Tcp => 1,
            };
            for _ in 0..tries {
                let asked = timeout(TRY, async {
                    match over {
                        Over::Udp => by_datagram(*server, query).await,
                        Over::Tcp => by_stream(*server, query).await,
                    }
                });
                if let Ok(Ok(answer)) = asked.await {
                    return Some(answer);
                }
            }
        }
        None
    }
}

async fn by_datagram(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    // A port of its own for each, and only this server's datagrams are seen.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        if wire::id(&answer[..length]) == wire::id(query) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, query).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Writes a message as it goes on a stream: its length in bytes (u16, big endian) first.
pub(super) async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    stream.write_all(&bytes).await
}
