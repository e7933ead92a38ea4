use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::peer::{Peer, connect, free_port};
use crate::images;
use crate::suite::contains;

/// Sends a word through the echo service.
pub(super) fn echoes(address: &str) -> Result<()> {
    let mut stream = connect(address)?;
    stream.write_all(b"word")?;
    stream.shutdown(Shutdown::Write)?;
    let mut back = String::new();
    stream.read_to_string(&mut back)?;
    ensure!(back == "word", "{back:?} came back");
    Ok(())
}

pub(super) fn fixed_port_answers_and_closes_with_its_container(coracle: &Coracle) -> Result<()> {
    let port = free_port()?;
    let peer = Peer::start(coracle, &["--publish", &format!("{port}:5001")])?;
    // Published on all addresses, so on every one of loopback's.
    for host in ["127.0.0.1", "127.0.0.2"] {
        echoes(&format!("{host}:{port}"))?;
    }
    peer.stop()?;
    eventually("a closed port", || {
        ensure!(connect(&format!("127.0.0.1:{port}")).is_err(), "it is open");
        Ok(())
    })?;
    coracle.docker(["start", &peer.id]).ok()?;
    eventually("the port open again", || {
        echoes(&format!("127.0.0.1:{port}"))
    })
}

pub(super) fn taken_port_fails_with_the_reason(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let taken = TcpListener::bind("0.0.0.0:0")?;
    let port = taken.local_addr()?.port();
    let publish = format!("{port}:80");
    let run = || coracle.docker(["run", "--rm", "--publish", &publish, image, "true"]);
    contains(&run().refused()?, &[&port.to_string(), "already in use"])?;
    drop(taken);
    run().ok()?;
    Ok(())
}

pub(super) fn loopback_only_stays_on_loopback(coracle: &Coracle) -> Result<()> {
    let port = free_port()?;
    let _peer = Peer::start(coracle, &["--publish", &format!("127.0.0.1:{port}:5001")])?;
    echoes(&format!("127.0.0.1:{port}"))?;
    ensure!(
        connect(&format!("127.0.0.2:{port}")).is_err(),
        "127.0.0.2 answers too"
    );
    let own: Vec<_> = process::listeners(coracle.daemon()?)?
        .into_iter()
        .filter(|address| address.ends_with(&format!(":{port}")))
        .collect();
    ensure!(
        own == [format!("127.0.0.1:{port}")],
        "it listens on {own:?}"
    );
    Ok(())
}

pub(super) fn random_port(coracle: &Coracle) -> Result<()> {
    let one = Peer::start(coracle, &["--publish", "5001"])?;
    let two = Peer::start(coracle, &["--publish", "5001"])?;
    let (first, second) = (one.address(5001)?, two.address(5001)?);
    ensure!(first != second, "both have {first}");
    echoes(&first)?;
    echoes(&second)
}

pub(super) fn status_lists_them(coracle: &Coracle) -> Result<()> {
    let port = free_port()?;
    let peer = Peer::start(coracle, &["--publish", &format!("127.0.0.1:{port}:5001")])?;
    let listed = || -> Result<Option<serde_json::Value>> {
        let status = coracle.status()?;
        let ports = status["ports"]
            .as_array()
            .context("no ports in the status")?;
        let host = format!("127.0.0.1:{port}");
        Ok(ports
            .iter()
            .find(|entry| entry["host"] == host.as_str())
            .cloned())
    };
    let entry = listed()?.context("the port is not listed")?;
    let container = entry["container"].as_str().unwrap_or_default();
    ensure!(
        entry["protocol"] == "tcp" && container.ends_with(":5001"),
        "{entry}"
    );
    ensure!(entry["error"].is_null(), "{entry}");
    peer.stop()?;
    eventually("a shorter list", || {
        ensure!(listed()?.is_none(), "it is still listed");
        Ok(())
    })
}
