//! Published ports on the guest's own loopback.
//!
//! dockerd and containers on the host's network are inside the guest: for them `localhost:5000` is
//! the guest's, where Docker's own userland proxy would listen. `docker push localhost:5000/…` to a
//! registry in a container depends on it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use coracle_guest_api::port::{PortRequest, Protocol};
use coracle_guest_api::relay;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens where the port is reached on loopback, if it is published there. Where somebody in the
/// guest has it already, that one keeps it.
pub(super) async fn listen(request: &PortRequest) -> Option<TcpListener> {
    let address = address(request)?;
    match TcpListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::info!("{address} in the guest is not served: {error}");
            None
        }
    }
}

/// Serves the port until dropped.
pub(super) async fn serve(listener: Option<TcpListener>, request: &PortRequest) -> Infallible {
    match listener {
        Some(listener) => {
            forward(
                listener,
                SocketAddr::new(request.container_ip, request.container_port),
            )
            .await
        }
        None => std::future::pending().await,
    }
}

/// Where it is reached on loopback, if it is published there.
fn address(request: &PortRequest) -> Option<SocketAddr> {
    let ip: IpAddr = match request.host_ip {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        _ => return None,
    };
    (request.protocol == Protocol::Tcp).then(|| SocketAddr::new(ip, request.host_port))
}

async fn forward(listener: TcpListener, container: SocketAddr) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(async move {
                        // Dropping the client tells it that nobody serves.
                        if let Ok(server) = TcpStream::connect(container).await {
                            let _ = relay::both_ways(client, server).await;
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!("a connection could not be taken: {error}");
                    tokio::time::sleep(super::RETRY_AFTER).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn request(host_ip: IpAddr, container: SocketAddr, host_port: u16) -> PortRequest {
        PortRequest {
            protocol: Protocol::Tcp,
            host_ip,
            host_port,
            container_ip: container.ip(),
            container_port: container.port(),
        }
    }

    #[test]
    fn only_what_is_published_on_loopback_is_served_there() {
        let container = ([172, 17, 0, 2], 80).into();
        let at = |ip: &str| address(&request(ip.parse().unwrap(), container, 8080));
        assert_eq!(at("0.0.0.0"), Some(([127, 0, 0, 1], 8080).into()));
        assert_eq!(at("::"), Some((Ipv6Addr::LOCALHOST, 8080).into()));
        assert_eq!(at("127.0.0.5"), Some(([127, 0, 0, 5], 8080).into()));
        assert_eq!(at("192.168.1.5"), None);
        let mut udp = request([0, 0, 0, 0].into(), container, 8080);
        udp.protocol = Protocol::Udp;
        assert_eq!(address(&udp), None);
    }

    #[tokio::test]
    async fn a_connection_reaches_the_container_and_ends_with_the_port() {
        let container = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let asked = request([0, 0, 0, 0].into(), container.local_addr().unwrap(), port);
        let listener = listen(&asked).await;
        let serving = tokio::spawn(async move { serve(listener, &asked).await });
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let (mut server, _) = container.accept().await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "question");
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_err()
        );
    }
}
