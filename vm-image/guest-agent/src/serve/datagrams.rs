//! UDP, a connected socket per stream.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use coracle_guest_api::datagram::{self, MAX_DATAGRAM};
use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::{AgentError, AgentErrorCode};
use tokio::net::UdpSocket;

use super::{Failure, accept, refuse};

/// Carries datagrams to `address` and its answers back, until the stream ends.
pub(super) async fn udp(address: SocketAddr, mut stream: MuxStream) -> Result<(), Failure> {
    let socket = match dial(address).await {
        Ok(socket) => socket,
        Err(error) => {
            let text = format!("{address} cannot be reached: {error}");
            refuse(stream, AgentError::new(AgentErrorCode::Unreachable, text)).await;
            return Ok(());
        }
    };
    accept(&mut stream).await?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let out = async {
        let mut buffer = vec![0; MAX_DATAGRAM];
        while let Some(length) = datagram::read(&mut reader, &mut buffer).await? {
            pass_refusals(socket.send(&buffer[..length]).await)?;
        }
        Ok(())
    };
    let back = async {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            if let Some(length) = pass_refusals(socket.recv(&mut buffer).await)? {
                datagram::write(&mut writer, &buffer[..length]).await?;
            }
        }
    };
    tokio::select! {
        outcome = out => outcome,
        outcome = back => outcome,
    }
}

async fn dial(address: SocketAddr) -> io::Result<UdpSocket> {
    let local: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// A datagram that nobody received, or that was too long for the way, is lost, as datagrams are; the
/// next one may fare better.
fn pass_refusals(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(length) => Ok(Some(length)),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Ok(None),
            _ if error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32) => Ok(None),
            _ => Err(error),
        },
    }
}
