//! Two hundred leases leave nothing behind. A process of its own, since it counts descriptors.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use coracle_guest_api::mux::{self, End, Guests};
use coracle_guest_api::port::{PortRequest, Protocol};
use coracle_guest_api::{StreamHeader, StreamReply, message};
use coracle_port_forward::Forwarder;
use tokio::net::TcpStream;
use tokio::sync::watch;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn two_hundred_leases_leave_nothing_behind() {
    let (host_io, guest_io) = tokio::io::duplex(64 << 10);
    let (host, mut wishes) = mux::start(host_io, End::Host);
    let (guest, mut dials) = mux::start(guest_io, End::Guest);
    // A container that accepts and says nothing: only the lease's end can end these.
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some(mut stream) = dials.accept().await {
            let _: StreamHeader = message::expect(&mut stream).await.unwrap();
            message::write(&mut stream, &StreamReply::OK).await.unwrap();
            held.push(stream);
        }
    });
    let guests = Guests::default();
    let forwarder = Forwarder::new(guests.clone(), watch::channel(None).1);
    guests.attach(host);
    let served = forwarder.clone();
    tokio::spawn(async move {
        while let Some(mut stream) = wishes.accept().await {
            let served = served.clone();
            tokio::spawn(async move {
                if let StreamHeader::Port(request) = message::expect(&mut stream).await.unwrap() {
                    served.lease(request, stream).await;
                }
            });
        }
    });
    let before = descriptors();
    let mut held = Vec::new();
    for number in 0..200u16 {
        let request = PortRequest {
            protocol: if number % 4 == 3 {
                Protocol::Udp
            } else {
                Protocol::Tcp
            },
            host_ip: IpAddr::V4(Ipv4Addr::new(127, 0, 77, 1)),
            host_port: 20_000 + number,
            container_ip: IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2)),
            container_port: 80,
        };
        let header = StreamHeader::Port(request.clone());
        let (lease, _) = guest.open(&header).await.unwrap();
        let client = match request.protocol {
            Protocol::Tcp => {
                let address = (request.host_ip, request.host_port);
                Some(TcpStream::connect(address).await.unwrap())
            }
            _ => None,
        };
        held.push((lease, client));
    }
    assert_eq!(forwarder.ports().len(), 200);
    assert!(descriptors() >= before + 200);
    drop(held);
    let mut left = usize::MAX;
    for _ in 0..200 {
        left = descriptors();
        if left <= before && forwarder.ports().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "{left} descriptors instead of {before}, {} ports",
        forwarder.ports().len()
    );
}
