//! The engine's socket goes on for the others.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually, http, process};

use crate::images;

/// Somebody else whose stream stays open all the while.
struct Other<'a> {
    coracle: &'a Coracle,
    events: Live,
    rounds: usize,
}

impl<'a> Other<'a> {
    fn new(coracle: &'a Coracle) -> Result<Self> {
        let program = coracle.docker(["events", "--filter", "type=volume"]);
        let mut other = Self {
            coracle,
            events: Live::start(program)?,
            rounds: 0,
        };
        // The stream stands once an event has come.
        eventually("the first event", || {
            other.volume("first")?;
            other.events.line_now(|line| line.contains("first"))
        })?;
        Ok(other)
    }

    fn volume(&self, name: &str) -> Result<()> {
        self.coracle.docker(["volume", "create", name]).ok()?;
        self.coracle.docker(["volume", "rm", name]).ok()?;
        Ok(())
    }

    /// Fails unless the old stream and a new request are both served.
    fn is_served(&mut self) -> Result<()> {
        self.rounds += 1;
        let name = format!("round-{}", self.rounds);
        self.volume(&name)?;
        self.events.line(|line| line.contains(&name))?;
        let ping = http::over_unix(&self.coracle.paths().engine_socket(), "GET", "/_ping", "")?;
        ensure!(ping.text() == "OK", "{ping:?}");
        Ok(())
    }
}

fn connect(coracle: &Coracle) -> Result<UnixStream> {
    let stream = UnixStream::connect(coracle.paths().engine_socket())?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// Sends it, and returns what comes until the connection ends; it may end while we write.
fn answer_to(coracle: &Coracle, bytes: &[u8]) -> Result<String> {
    let mut stream = connect(coracle)?;
    if stream.write_all(bytes).is_ok() {
        // Ended already, then.
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            Err(error).context("it is still open")
        }
        // A reset ends it too.
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

pub(super) fn malformed_requests(coracle: &Coracle) -> Result<()> {
    let mut other = Other::new(coracle)?;
    for bytes in [
        &b"\0\x01\x02\x03\xff\xfe\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /_ping HTTP/9.9\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost docker\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = answer_to(coracle, bytes)?;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        ensure!(refused, "{:?} got {answer}", String::from_utf8_lossy(bytes));
        other.is_served()?;
    }
    Ok(())
}

pub(super) fn ten_megabytes_of_header(coracle: &Coracle) -> Result<()> {
    let mut other = Other::new(coracle)?;
    let daemon = coracle.daemon()?;
    let before = process::resident(daemon)?;
    let one = format!(
        "GET /_ping HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "x".repeat(10 << 20)
    );
    let many = format!(
        "GET /_ping HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X-Some: y\r\n".repeat(1 << 20)
    );
    let target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(10 << 20));
    for bytes in [one, many, target] {
        let answer = answer_to(coracle, bytes.as_bytes())?;
        ensure!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "it got {answer}"
        );
        other.is_served()?;
    }
    let after = process::resident(daemon)?;
    ensure!(
        after < before + (10 << 20),
        "the daemon held on to it: from {before} to {after} bytes"
    );
    Ok(())
}

pub(super) fn clients_that_vanish(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let mut other = Other::new(coracle)?;
    let daemon = coracle.daemon()?;
    let chatty = coracle.background([image, "sh", "-c", "while :; do echo word; done"])?;
    let quiet = coracle.background([image, "sleep", "1000"])?;
    let before = process::descriptors(daemon)?;
    for round in 0..20 {
        let requests = [
            // In the middle of its own body.
            "POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nshort"
                .to_owned(),
            "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
                .to_owned(),
            // In the middle of its head.
            "GET /_ping HTTP/1.1\r\nHo".to_owned(),
            // In the middle of the answer, which has no end, or has not begun.
            format!("GET /containers/{chatty}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!(
                "POST /containers/{quiet}/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            ),
            // After the connection was upgraded.
            format!(
                "POST /containers/{quiet}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\
                 Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
            ),
        ];
        for request in requests {
            let mut stream = connect(coracle)?;
            stream.write_all(request.as_bytes())?;
            if round % 2 == 0 && request.contains("logs") {
                stream.read_exact(&mut [0; 1000])?;
            }
        }
    }
    other.is_served()?;
    eventually("closed descriptors", || {
        let now = process::descriptors(daemon)?;
        ensure!(now <= before, "it has {now} descriptors, and had {before}");
        Ok(())
    })?;
    other.is_served()
}
