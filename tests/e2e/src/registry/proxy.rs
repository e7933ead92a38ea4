use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// An HTTP proxy on the host's loopback that knows every name as this host; runs as long as the
/// test program.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = requests.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = seen.clone();
                // A client that breaks off ends only its own thread.
                thread::spawn(move || drop(serve(client, &seen)));
            }
        });
        Ok(Self { port, requests })
    }

    /// The first lines of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }
}

/// One request of a connection, which ends with its answer.
fn serve(client: TcpStream, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let first = head.first().ok_or_else(malformed)?.clone();
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(first.clone());
    let mut words = first.split(' ');
    let (method, target) = (words.next(), words.next().ok_or_else(malformed)?);
    if method == Some("CONNECT") {
        let server = connect(target)?;
        (&client).write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        return both_ways(client, server);
    }
    let rest = target.strip_prefix("http://").ok_or_else(malformed)?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let server = connect(address)?;
    let mut request = format!("{} /{path} HTTP/1.1\r\n", method.unwrap_or("GET"));
    for line in &head[1..] {
        let lower = line.to_ascii_lowercase();
        if !lower.starts_with("connection:") && !lower.starts_with("proxy-") {
            request += &format!("{line}\r\n");
        }
    }
    request += "Connection: close\r\n\r\n";
    (&server).write_all(request.as_bytes())?;
    both_ways(client, server)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    TcpStream::connect(("127.0.0.1", port.unwrap_or(80)))
}

fn both_ways(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || drop(one_way(from, to)));
    one_way(server, client)
}

fn one_way(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            count => to.write_all(&buffer[..count])?,
        }
    }
}
