use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result};
use coracle_vm_harness::{Coracle, patience};

use crate::images;

/// A container of `tests/python/peer.py` with published ports.
pub(crate) struct Peer<'a> {
    coracle: &'a Coracle,
    pub(crate) id: String,
}

impl<'a> Peer<'a> {
    /// Starts it with `docker run`'s options, and waits until it listens.
    pub(crate) fn start(coracle: &'a Coracle, options: &[&str]) -> Result<Self> {
        let image = images::voting_app(coracle)?;
        let file = coracle.places().checkout.join("tests/python/peer.py");
        let script = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let id = coracle.background([options, &[image, "python3", "-c", &script]].concat())?;
        coracle.await_log(&id, "ready")?;
        Ok(Self { coracle, id })
    }

    /// Where docker says that the container's port is on the host, IPv4.
    pub(crate) fn address(&self, port: u16) -> Result<String> {
        self.address_of(&port.to_string())
    }

    /// The same of `PORT/PROTOCOL`.
    pub(crate) fn address_of(&self, port: &str) -> Result<String> {
        let all = self.coracle.docker(["port", &self.id, port]).text()?;
        let line = all
            .lines()
            .find(|line| !line.starts_with('['))
            .context("no IPv4 address")?;
        Ok(line.replace("0.0.0.0", "127.0.0.1"))
    }

    /// Connects to the container's port.
    pub(crate) fn connect(&self, port: u16) -> Result<TcpStream> {
        connect(&self.address(port)?)
    }

    /// Stops it, as `docker stop` does.
    pub(crate) fn stop(&self) -> Result<()> {
        self.coracle
            .docker(["stop", "--time", "0", &self.id])
            .ok()?;
        Ok(())
    }
}

/// Connects, with a watchdog on whatever follows.
pub(super) fn connect(address: &str) -> Result<TcpStream> {
    let stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(patience()))?;
    stream.set_write_timeout(Some(patience()))?;
    Ok(stream)
}

/// A port that nobody has now.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("0.0.0.0:0")?.local_addr()?.port())
}
