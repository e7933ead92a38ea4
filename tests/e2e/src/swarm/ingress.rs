use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::page::{Swarm, closed, free_port, listed, page, round};
use crate::images;
use crate::suite::contains;

pub(super) fn answers_go_round_the_replicas(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let port = free_port()?;
    swarm.pages(
        "round",
        &["--replicas", "3", "--publish", &format!("{port}:80")],
    )?;
    let first = round(port, 3)?;
    let second = round(port, 3)?;
    ensure!(first == second, "{first:?}, then {second:?}");
    let v6 = coracle_vm_harness::http::get(&format!("[::1]:{port}"), "/cgi-bin/page")?;
    ensure!(v6.status == 200, "{v6:?}");
    Ok(())
}

pub(super) fn ports_are_added_and_removed(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let (one, two) = (free_port()?, free_port()?);
    swarm.pages("moved", &["--publish", &format!("{one}:80")])?;
    eventually("the first port", || page(one))?;
    let add = format!("published={two},target=80");
    swarm
        .service("update", &["--publish-add", &add, "moved"])
        .ok()?;
    eventually("the second port", || page(two))?;
    page(one)?;
    // The command removes by the target alone: both.
    swarm
        .service("update", &["--publish-rm", "80", "moved"])
        .ok()?;
    closed(one)?;
    closed(two)?;
    swarm
        .service("update", &["--publish-add", &add, "moved"])
        .ok()?;
    eventually("the port that came back", || page(two))?;
    closed(one)?;
    swarm.service("rm", &["moved"]).ok()?;
    closed(two)
}

pub(super) fn random_port(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    swarm.pages("random", &["--publish", "80"])?;
    let format = "{{range .Endpoint.Ports}}{{.PublishedPort}}{{end}}";
    let port: u16 = swarm.inspect("random", format)?.parse()?;
    ensure!(port >= 30000, "the engine chose {port}");
    eventually("a page", || page(port))?;
    Ok(())
}

/// Such a port comes with its container, by the userland proxy.
pub(super) fn host_mode_port_is_one_listener(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let port = free_port()?;
    let publish = format!("mode=host,published={port},target=80");
    swarm.pages("host-mode", &["--publish", &publish])?;
    eventually("a page", || page(port))?;
    let end = format!(":{port}");
    let own = process::listeners(coracle.daemon()?)?;
    let own: Vec<_> = own
        .iter()
        .filter(|address| address.ends_with(&end))
        .collect();
    ensure!(
        own == [&format!("0.0.0.0:{port}"), &format!("[::]:{port}")],
        "{own:?}"
    );
    let entry = listed(coracle, port)?;
    let container = entry["container"].as_str().unwrap_or_default();
    ensure!(container.ends_with(":80"), "{entry}");
    swarm.service("rm", &["host-mode"]).ok()?;
    closed(port)
}

/// Sends each datagram back.
const ECHO: &str = "
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('', 7))
while True:
    server.sendto(*server.recvfrom(2048))
";

pub(super) fn udp(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let port = UdpSocket::bind("0.0.0.0:0")?.local_addr()?.port();
    let publish = format!("{port}:7/udp");
    swarm
        .service("create", &["--name", "echo", "--stop-signal", "KILL"])
        .args(["--publish", &publish, images::voting_app(coracle)?])
        .args(["python3", "-c", ECHO])
        .ok()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    eventually("an answer", || {
        socket.send_to(b"word", ("127.0.0.1", port))?;
        let mut back = [0; 16];
        let (length, from) = socket.recv_from(&mut back)?;
        ensure!(
            &back[..length] == b"word" && from.port() == port,
            "{back:?} from {from}"
        );
        Ok(())
    })
}

pub(super) fn taken_port_is_told_and_retried(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let taken = TcpListener::bind("0.0.0.0:0")?;
    let port = taken.local_addr()?.port();
    swarm.pages("late", &["--publish", &format!("{port}:80")])?;
    ensure!(swarm.replicas("late")? == "1/1", "the service does not run");
    let number = port.to_string();
    let parts = ["late", number.as_str(), "already in use"];
    let error = eventually("the reason", || {
        let entry = listed(coracle, port)?;
        Ok(entry["error"].as_str().context("no error")?.to_owned())
    })?;
    contains(&error, &parts)?;
    contains(&coracle.status()?["degraded"].to_string(), &parts)?;
    contains(&coracle.coracle(["swarm", "status"]).text()?, &parts)?;
    drop(taken);
    eventually("a page", || page(port))?;
    ensure!(listed(coracle, port)?["error"].is_null(), "the error stays");
    let degraded = coracle.status()?["degraded"].to_string();
    ensure!(!degraded.contains(&number), "{degraded}");
    Ok(())
}

pub(super) fn ports_come_back_after_the_engine_was_killed(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let port = free_port()?;
    swarm.pages("survivor", &["--publish", &format!("{port}:80")])?;
    let before = eventually("a page", || page(port))?;
    coracle
        .coracle(["shell", "--", "sh", "-c", "kill -9 $(cat /run/docker.pid)"])
        .ok()?;
    eventually("another replica's page", || {
        let now = page(port)?;
        ensure!(now.replica != before.replica, "it is the same");
        Ok(())
    })?;
    coracle.await_running()?;
    Ok(())
}
