//! A minimal HTTP client, so that a test sees exactly what crosses the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::patience;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines as they came.
    pub headers: Vec<String>,
    /// Body, decoded from chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GET over TCP, `address` as `127.0.0.1:8080`.
pub fn get(address: &str, path: &str) -> Result<Response> {
    over_tcp(address, "GET", path, &[], "")
}

/// POST of a form over TCP.
pub fn post(address: &str, path: &str, form: &str) -> Result<Response> {
    let kind = "Content-Type: application/x-www-form-urlencoded";
    over_tcp(address, "POST", path, &[kind], form)
}

/// Any request over TCP, with a JSON body.
pub fn json(address: &str, method: &str, path: &str, body: &str) -> Result<Response> {
    over_tcp(
        address,
        method,
        path,
        &["Content-Type: application/json"],
        body,
    )
}

/// Any request over a Unix socket.
pub fn over_unix(socket: &Path, method: &str, path: &str, body: &str) -> Result<Response> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(patience()))?;
    exchange(
        stream,
        "localhost",
        method,
        path,
        &["Content-Type: application/json"],
        body,
    )
}

fn over_tcp(
    address: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Result<Response> {
    let stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(patience()))?;
    exchange(stream, address, method, path, headers, body)
}

fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Result<Response> {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    read(BufReader::new(stream)).with_context(|| format!("{method} {path} at {host}"))
}

fn read(mut stream: impl BufRead) -> Result<Response> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        ensure!(
            stream.read_line(&mut line)? > 0,
            "the answer ended within its head: {lines:?}"
        );
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let status = lines
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .context("no status line")?;
    let status = status.parse().context("no status code")?;
    let headers = lines.split_off(1);
    let value = |name: &str| {
        headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_ascii_lowercase())
        })
    };
    let mut body = Vec::new();
    if value("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).context("no chunk length")?;
            let start = body.len();
            body.resize(start + length, 0);
            stream.read_exact(&mut body[start..])?;
            stream.read_line(&mut line)?;
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = value("content-length") {
        body.resize(length.parse()?, 0);
        stream.read_exact(&mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
    }
    Ok(Response {
        status,
        headers,
        body,
    })
}
