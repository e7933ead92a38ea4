//! A session, and gdb on it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Program, eventually, patience};
use serde_json::Value;

use crate::images;

/// What `coracle debug` says of a session.
pub(crate) struct Session(pub(super) Value);

impl Session {
    pub(crate) fn begin(coracle: &Coracle, target: &str) -> Result<Self> {
        let told = coracle.coracle(["debug", target, "--json"]).ok()?.stdout;
        Ok(Self(serde_json::from_slice(&told)?))
    }

    pub(crate) fn address(&self) -> Result<&str> {
        self.0["address"].as_str().context("no address")
    }

    pub(super) fn runtime(&self) -> &str {
        self.0["runtime"].as_str().unwrap_or_default()
    }

    /// gdb on the session, with these commands.
    pub(super) fn gdb(&self, coracle: &Coracle, commands: &[&str]) -> Result<Program> {
        let mut gdb = coracle
            .program("gdb")
            // Where a gdb that dies may leave its core.
            .dir(coracle.home())
            .args(["-nx", "-batch", "-ex", "set pagination off"])
            .args(["-ex", "set confirm off"])
            .args(["-ex", &format!("target remote {}", self.address()?)]);
        for command in commands {
            gdb = gdb.args(["-ex", command]);
        }
        Ok(gdb)
    }

    /// A connection as any program of this user makes it.
    pub(super) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address()?)?;
        stream.set_read_timeout(Some(patience()))?;
        Ok(stream)
    }
}

/// Sends bytes, and returns what comes until the other end closes, or until it has a packet's end.
pub(super) fn converse(stream: &mut TcpStream, bytes: &[u8]) -> Result<String> {
    stream.write_all(bytes)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = match stream.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            read => read?,
        };
        answer.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&answer);
        let packet = text.rfind('#').is_some_and(|at| text.len() >= at + 3);
        if length == 0 || (packet && text.contains('$')) {
            return Ok(text.into_owned());
        }
    }
}

/// A packet of GDB's protocol.
pub(super) fn packet(content: &str) -> Vec<u8> {
    let sum = content.bytes().fold(0_u8, u8::wrapping_add);
    format!("+${content}#{sum:02x}").into_bytes()
}

/// A container with a program of many busy threads, which writes what it has done to a file.
pub(super) struct Busy<'a> {
    coracle: &'a Coracle,
    pub(super) name: String,
    folder: PathBuf,
}

impl<'a> Busy<'a> {
    /// `options` are those of `docker run`, `image` the image.
    pub(super) fn run(
        coracle: &'a Coracle,
        name: &str,
        options: &[&str],
        image: &str,
    ) -> Result<Self> {
        let busy = Self::built(coracle, name)?;
        let bind = format!("{}:/work", busy.folder.display());
        coracle
            .docker([
                "run", "--detach", "--init", "--name", name, "--volume", &bind,
            ])
            .args(options)
            .args([image])
            .args(Self::COMMAND)
            .ok()?;
        busy.counting()
    }

    /// The one replica of a swarm service.
    pub(super) fn service(coracle: &'a Coracle, name: &str) -> Result<Self> {
        let image = images::busybox(coracle)?;
        let mut busy = Self::built(coracle, name)?;
        let mount = format!("type=bind,source={},target=/work", busy.folder.display());
        coracle
            .docker(["service", "create", "--name", name, "--mount", &mount])
            .args([image])
            .args(Self::COMMAND)
            .ok()?;
        busy.is_replica(name)?;
        busy.counting()
    }

    const COMMAND: [&'static str; 2] = ["/work/busy", "/work/sum"];

    /// Not running yet.
    fn built(coracle: &'a Coracle, name: &str) -> Result<Self> {
        let folder = coracle.work(name)?;
        let source = coracle
            .places()
            .checkout
            .join("vm-image/debug-stub/tests/programs/busy.c");
        let status = Command::new("gcc")
            .args(["-g", "-O1", "-static", "-pthread", "-o"])
            .arg(folder.join("busy"))
            .arg(source)
            .status()
            .context("cannot run gcc")?;
        ensure!(status.success(), "gcc failed");
        Ok(Self {
            coracle,
            name: name.to_owned(),
            folder,
        })
    }

    fn counting(self) -> Result<Self> {
        eventually("the program counts", || self.sum())?;
        Ok(self)
    }

    /// Its container is the one that the service has now.
    pub(super) fn is_replica(&mut self, service: &str) -> Result<()> {
        let label = format!("label=com.docker.swarm.service.name={service}");
        let ids = ["ps", "--quiet", "--filter", &label];
        let id = self.coracle.docker(ids).text()?;
        ensure!(
            !id.is_empty() && !id.contains('\n'),
            "not one replica: {id}"
        );
        self.name = id;
        Ok(())
    }

    /// In the busybox image.
    pub(super) fn in_busybox(coracle: &'a Coracle, name: &str) -> Result<Self> {
        let image = images::busybox(coracle)?;
        Self::run(coracle, name, &[], image)
    }

    /// Fails unless its threads count and its main thread writes.
    pub(super) fn goes_on(&self) -> Result<()> {
        for _ in 0..2 {
            let before = self.sum()?;
            eventually("the program goes on", || {
                ensure!(self.sum()? != before, "it stays at {before}");
                Ok(())
            })?;
        }
        let running = self
            .coracle
            .docker(["inspect", "--format", "{{.State.Running}}", &self.name])
            .text()?;
        ensure!(running == "true", "the container has ended");
        Ok(())
    }

    fn sum(&self) -> Result<i64> {
        let text = std::fs::read_to_string(self.folder.join("sum"))?;
        let (sum, _) = text.trim().split_once(' ').context("half a line")?;
        Ok(sum.parse()?)
    }
}
