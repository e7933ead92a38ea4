//! Sockets on the host, and the sentence when there is none.

use std::io;
use std::net::SocketAddr;

use coracle_guest_api::port::{PortRequest, Protocol};
use coracle_guest_api::{AgentError, AgentErrorCode};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::platform;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// What a request was granted.
pub(crate) enum Bound {
    Tcp(TcpListener),
    Udp(UdpSocket),
    /// The host has no IPv6: nobody can knock at this address.
    Nothing,
}

/// Listens as `request` says.
pub(crate) fn bind(request: &PortRequest) -> io::Result<Bound> {
    let address = SocketAddr::new(request.host_ip, request.host_port);
    let bound = match request.protocol {
        Protocol::Tcp => listen(address).map(Bound::Tcp),
        Protocol::Udp => open_udp(address).map(Bound::Udp),
        Protocol::Sctp => Err(io::ErrorKind::Unsupported.into()),
    };
    match bound {
        // Docker publishes on `::` beside `0.0.0.0` without having been asked.
        Err(error) if is_any_v6(&address) && lacks_v6(&error) => Ok(Bound::Nothing),
        bound => bound,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, Type::STREAM)?;
    // Connections of an earlier listener in TIME_WAIT do not block the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn open_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address, Type::DGRAM)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn is_any_v6(address: &SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn lacks_v6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || platform::is_unknown_family(error)
}

/// The refusal that becomes the failure of `docker run`. May look through the process list.
pub(crate) fn explain(request: &PortRequest, error: &io::Error) -> AgentError {
    let (ip, port) = (request.host_ip, request.host_port);
    let (code, message) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let remedy = match platform::holder(request.protocol, port) {
                Some(holder) => format!("{holder} holds it: stop that"),
                None => "stop the program that holds it".to_owned(),
            };
            (
                AgentErrorCode::AddressInUse,
                format!(
                    "port {port} on {ip} is already in use on the host; {remedy}, or publish \
                     another port"
                ),
            )
        }
        io::ErrorKind::PermissionDenied => (
            AgentErrorCode::PermissionDenied,
            format!(
                "port {port} on {ip} is privileged and may not be used by this user; publish a \
                 port above 1023, or allow it on the host: {}",
                platform::allow_port(port)
            ),
        ),
        io::ErrorKind::AddrNotAvailable => (
            AgentErrorCode::Internal,
            format!(
                "{ip} is not an address of the host; publish port {port} on 0.0.0.0, on \
                 127.0.0.1 or on an address that the host has"
            ),
        ),
        io::ErrorKind::Unsupported => (
            AgentErrorCode::Unsupported,
            format!(
                "port {port}/{} cannot be published: only tcp and udp ports can",
                request.protocol
            ),
        ),
        _ => (
            AgentErrorCode::Internal,
            format!("the host cannot listen on port {port} of {ip}: {error}"),
        ),
    };
    AgentError::new(code, message)
}
