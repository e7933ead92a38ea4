//! UDP, IPv6, and many ports at once.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::binding::echoes;
use super::peer::{Peer, connect, free_port};
use crate::images;
use crate::suite::contains;

/// The container's ports that speak TCP.
const INSIDE: std::ops::RangeInclusive<u16> = 5001..=5005;

pub(super) fn range_of_ports(coracle: &Coracle) -> Result<()> {
    let first = free_range(INSIDE.count() as u16)?;
    let last = first + INSIDE.count() as u16 - 1;
    let publish = format!("{first}-{last}:{}-{}", INSIDE.start(), INSIDE.end());
    let peer = Peer::start(coracle, &["--publish", &publish])?;
    let mut own: Vec<_> = process::listeners(coracle.daemon()?)?;
    own.retain(|address| (first..=last).any(|port| address == &format!("0.0.0.0:{port}")));
    ensure!(own.len() == INSIDE.count(), "only {own:?} of {publish}");
    // The first one is the echo service.
    echoes(&format!("127.0.0.1:{first}"))?;
    for port in first..=last {
        connect(&format!("127.0.0.1:{port}"))?;
    }
    peer.stop()?;
    eventually("closed ports", || {
        for port in first..=last {
            ensure!(
                connect(&format!("127.0.0.1:{port}")).is_err(),
                "{port} is open"
            );
        }
        Ok(())
    })
}

/// So that another program may have the same port of the other family.
pub(super) fn ipv6_is_a_listener_of_its_own(coracle: &Coracle) -> Result<()> {
    let port = free_port()?;
    let _peer = Peer::start(coracle, &["--publish", &format!("{port}:5001")])?;
    echoes(&format!("[::1]:{port}"))?;
    echoes(&format!("127.0.0.1:{port}"))?;
    let mut own = process::listeners(coracle.daemon()?)?;
    own.retain(|address| address.ends_with(&format!(":{port}")));
    ensure!(
        own == [format!("0.0.0.0:{port}"), format!("[::]:{port}")],
        "{own:?}"
    );
    Ok(())
}

pub(super) fn ipv6_loopback_only(coracle: &Coracle) -> Result<()> {
    let port = free_port()?;
    let _peer = Peer::start(coracle, &["--publish", &format!("[::1]:{port}:5001")])?;
    echoes(&format!("[::1]:{port}"))?;
    ensure!(
        connect(&format!("127.0.0.1:{port}")).is_err(),
        "IPv4 answers too"
    );
    // IPv4 is free for another.
    drop(TcpListener::bind(("127.0.0.1", port))?);
    Ok(())
}

pub(super) fn udp_answers_go_to_whom_they_belong(coracle: &Coracle) -> Result<()> {
    let port = free_udp()?;
    let peer = Peer::start(coracle, &["--publish", &format!("{port}:5006/udp")])?;
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let clients = (0..3)
        .map(|_| client("127.0.0.1"))
        .collect::<Result<Vec<_>>>()?;
    // Up to what one datagram may have on loopback, but not so much that it is in pieces in
    // the guest's bridge.
    for length in [0, 1, 1400] {
        for (number, client) in clients.iter().enumerate() {
            let word = vec![number as u8; length];
            eventually("the datagram back", || exchange(client, to, &word))?;
        }
    }
    peer.stop()?;
    eventually("a free port", || {
        UdpSocket::bind(("0.0.0.0", port))?;
        Ok(())
    })
}

pub(super) fn udp_over_ipv6(coracle: &Coracle) -> Result<()> {
    let port = free_udp()?;
    let _peer = Peer::start(coracle, &["--publish", &format!("{port}:5006/udp")])?;
    let to: SocketAddr = format!("[::1]:{port}").parse()?;
    let client = client("::1")?;
    eventually("the datagram back", || exchange(&client, to, b"word"))
}

pub(super) fn taken_udp_port_fails_with_the_reason(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let taken = UdpSocket::bind("0.0.0.0:0")?;
    let port = taken.local_addr()?.port();
    let publish = format!("{port}:80/udp");
    let run = coracle.docker(["run", "--rm", "--publish", &publish, image, "true"]);
    contains(&run.refused()?, &[&port.to_string(), "already in use"])
}

fn client(ip: &str) -> Result<UdpSocket> {
    let ip: std::net::IpAddr = ip.parse()?;
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(socket)
}

/// A datagram there and back; one that is late from an earlier attempt does not count.
fn exchange(client: &UdpSocket, to: SocketAddr, word: &[u8]) -> Result<()> {
    client.send_to(word, to)?;
    let mut back = vec![0; 65536];
    let (length, from) = client.recv_from(&mut back)?;
    ensure!(from == to, "it came from {from}");
    ensure!(&back[..length] == word, "{length} bytes came back");
    Ok(())
}

fn free_udp() -> Result<u16> {
    Ok(UdpSocket::bind("0.0.0.0:0")?.local_addr()?.port())
}

/// The first of so many ports in a row that nobody has now.
fn free_range(count: u16) -> Result<u16> {
    for _ in 0..100 {
        let first = free_port()?;
        let last = first.checked_add(count - 1).context("at the end")?;
        if (first..=last).all(|port| TcpListener::bind(("0.0.0.0", port)).is_ok()) {
            return Ok(first);
        }
    }
    bail!("no {count} ports in a row are free")
}
