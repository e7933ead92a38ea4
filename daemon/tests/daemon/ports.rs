use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use coracle_daemon_api::StopOptions;
use coracle_guest_api::mux::OpenError;
use coracle_guest_api::port::{PortRequest, Protocol};
use coracle_guest_api::{AgentErrorCode, StreamHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::bench::{Bench, until};

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn request(host_port: u16) -> PortRequest {
    PortRequest {
        protocol: Protocol::Tcp,
        host_ip: Ipv4Addr::LOCALHOST.into(),
        host_port,
        container_ip: [172, 17, 0, 2].into(),
        container_port: 80,
    }
}

#[tokio::test]
async fn a_published_port_reaches_its_container_until_the_lease_ends() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    let opener = guest.opener().await;
    let wanted = request(free_port());
    let address = SocketAddr::new(wanted.host_ip, wanted.host_port);
    let (lease, _) = opener
        .open(&StreamHeader::Port(wanted.clone()))
        .await
        .unwrap();
    let mut said = String::new();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "the container at 172.17.0.2:80");
    let status = bench.status_when(|status| status.ports.len() == 1).await;
    assert_eq!(status.ports[0].host, address.to_string());
    assert_eq!(status.ports[0].container, "172.17.0.2:80");
    assert_eq!(status.ports[0].error, None);
    drop(lease);
    bench.status_when(|status| status.ports.is_empty()).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_the_answer_and_nothing_outlives_the_vm() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    let opener = guest.opener().await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let wanted = request(taken.local_addr().unwrap().port());
    let refused = opener.open(&StreamHeader::Port(wanted)).await.unwrap_err();
    assert_eq!(refused.code(), AgentErrorCode::AddressInUse);

    let wanted = request(free_port());
    let address = SocketAddr::new(wanted.host_ip, wanted.host_port);
    let (_lease, _) = opener.open(&StreamHeader::Port(wanted)).await.unwrap();
    let stopped = bench.client.stop(&StopOptions::default(), |_| {}).await;
    assert!(stopped.unwrap().ports.is_empty());
    until("the port is closed", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn the_host_serves_nothing_else_to_the_guest() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    let opener = guest.opener().await;
    for header in [
        StreamHeader::Engine,
        StreamHeader::DialTcp {
            address: ([127, 0, 0, 1], 22).into(),
        },
        StreamHeader::Shutdown,
    ] {
        match opener.open(&header).await.unwrap_err() {
            OpenError::Refused(error) => assert_eq!(error.code, AgentErrorCode::Unsupported),
            other => panic!("{other}"),
        }
    }
}
