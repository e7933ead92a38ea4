//! Leases that go elsewhere than they ask.

use super::*;
use crate::placing::Placed;

fn at(address: &str, port: u16) -> Placed {
    let place = (address.parse().unwrap(), "web".to_owned());
    Placed::from([((Protocol::Tcp, port), place)])
}

/// Waits until the host listens on these addresses.
async fn until(bed: &Bed, wanted: &[&str]) {
    let mut changed = bed.forwarder.changed();
    let fits = async {
        loop {
            let ports = bed.forwarder.ports();
            let served = ports.iter().filter(|port| port.error.is_none());
            let hosts: Vec<_> = served
                .map(|port| port.request.host_ip.to_string())
                .collect();
            if hosts == wanted {
                return;
            }
            changed.changed().await.unwrap();
        }
    };
    if timeout(SOON, fits).await.is_err() {
        panic!("the ports are {:?}", bed.forwarder.ports());
    }
}

#[tokio::test]
async fn a_services_lease_follows_its_place() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "0.0.0.0", echo().await);
    let v6 = PortRequest {
        host_ip: std::net::Ipv6Addr::UNSPECIFIED.into(),
        ..request.clone()
    };
    let port = request.host_port;
    let leases = (
        bed.lease(&request).await.unwrap(),
        bed.lease(&v6).await.unwrap(),
    );
    until(&bed, &["0.0.0.0", "::"]).await;
    bed.forwarder.place(at("127.0.0.1", port));
    until(&bed, &["127.0.0.1"]).await;
    let elsewhere = TcpStream::connect(("127.0.0.2", port)).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::ConnectionRefused);
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"word").await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = String::new();
    client.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "word");
    bed.forwarder.place(Placed::new());
    until(&bed, &["0.0.0.0", "::"]).await;
    drop(leases);
    bed.no_ports().await;
}

#[tokio::test]
async fn a_lease_that_comes_later_is_placed_at_once() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "0.0.0.0", echo().await);
    bed.forwarder.place(at("127.0.0.1", request.host_port));
    let lease = bed.lease(&request).await.unwrap();
    let hosts: Vec<_> = bed.forwarder.ports().into_iter().collect();
    assert_eq!(hosts[0].request.host_ip.to_string(), "127.0.0.1");
    drop(lease);
    bed.no_ports().await;
}

#[tokio::test]
async fn a_place_that_is_taken_is_told_and_tried_again() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "127.0.0.2", echo().await);
    let everywhere = PortRequest {
        host_ip: [0, 0, 0, 0].into(),
        ..request
    };
    let port = everywhere.host_port;
    let lease = bed.lease(&everywhere).await.unwrap();
    bed.forwarder.place(at("127.0.0.2", port));
    until(&bed, &["127.0.0.2"]).await;
    let taken = std::net::TcpListener::bind(("127.0.0.3", port)).unwrap();
    bed.forwarder.place(at("127.0.0.3", port));
    let mut changed = bed.forwarder.changed();
    let told = async {
        loop {
            let ports = bed.forwarder.ports();
            if let [only] = &ports[..]
                && let Some(error) = &only.error
            {
                return error.clone();
            }
            changed.changed().await.unwrap();
        }
    };
    let why = timeout(SOON, told).await.expect("the reason");
    assert!(
        why.starts_with("the swarm service web is not reachable: port") && why.contains("in use"),
        "{why}"
    );
    drop(taken);
    until(&bed, &["127.0.0.3"]).await;
    drop(lease);
    bed.no_ports().await;
}
