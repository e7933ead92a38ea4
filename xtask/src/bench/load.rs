//! Clients that measure: small HTTP requests, and bytes in bulk.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

/// Where a server is.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A port on the host's loopback.
    Tcp(u16),
    Unix(PathBuf),
}

/// Any stream to a server.
pub(super) trait Stream: Read + Write + Send {
    fn set_patience(&self, patience: Duration) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn set_patience(&self, patience: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Stream for UnixStream {
    fn set_patience(&self, patience: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Target {
    /// Connects; answers that do not come within `patience` are errors.
    pub(super) fn connect(&self, patience: Duration) -> Result<Box<dyn Stream>> {
        let stream: Box<dyn Stream> = match self {
            Self::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path)?),
        };
        stream.set_patience(patience)?;
        Ok(stream)
    }
}

/// Asks for `GET /_ping` until it is answered with 200.
///
/// A forward may take a connection before there is anyone behind it, and then keep it for
/// longer than needed: so a new one is tried each 100 ms while the others still wait.
pub(super) fn first_answer(target: &Target, limit: Duration) -> Result<()> {
    const EACH: Duration = Duration::from_millis(100);
    const PATIENCE: Duration = Duration::from_secs(2);
    let (sender, answered) = mpsc::channel();
    let began = Instant::now();
    while began.elapsed() < limit {
        let (target, sender) = (target.clone(), sender.clone());
        thread::spawn(move || {
            let asked = target
                .connect(PATIENCE)
                .and_then(|mut stream| get(&mut stream, "/_ping"));
            if asked.is_ok() {
                // The first one was enough if nobody listens any more.
                let _ = sender.send(());
            }
        });
        if answered.recv_timeout(EACH).is_ok() {
            return Ok(());
        }
    }
    bail!("no answer within {limit:?}")
}

/// One request on a connection that stays open; the length of the body.
pub(super) fn get(stream: &mut Box<dyn Stream>, path: &str) -> Result<usize> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::with_capacity(1024);
    let mut piece = [0; 16 << 10];
    let body = loop {
        if let Some(end) = find(&answer, b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut piece)? {
            0 => bail!("the connection ended within the head of an answer"),
            count => answer.extend_from_slice(&piece[..count]),
        }
    };
    let head = String::from_utf8_lossy(&answer[..body]).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "answered: {head}");
    let length = head.lines().find_map(|line| {
        line.strip_prefix("content-length:")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    let Some(length) = length else {
        bail!("an answer without a length: {head}");
    };
    while answer.len() < body + length {
        match stream.read(&mut piece)? {
            0 => bail!("the connection ended within the body of an answer"),
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(length)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

/// What [`requests`] saw.
pub(super) struct Answered {
    pub(super) per_second: f64,
    /// In ms; of all that were answered.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Has `clients` ask for `path` one request after the other for so long, each on a connection of
/// its own that stays open or, with `anew`, on a new connection for each request.
pub(super) fn requests(
    target: &Target,
    path: &str,
    clients: usize,
    anew: bool,
    duration: Duration,
) -> Result<Answered> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut open: Vec<_> = (0..clients)
        .map(|_| target.connect(PATIENCE))
        .collect::<Result<_>>()?;
    for stream in &mut open {
        // The way is made before the time begins.
        get(stream, path)?;
    }
    let began = Instant::now();
    let mut times = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = open
            .into_iter()
            .map(|mut stream| {
                scope.spawn(move || -> Result<Vec<f64>> {
                    let mut times = Vec::new();
                    while began.elapsed() < duration {
                        let asked = Instant::now();
                        if anew {
                            stream = target.connect(PATIENCE)?;
                        }
                        get(&mut stream, path)?;
                        times.push(asked.elapsed().as_secs_f64() * 1e3);
                    }
                    Ok(times)
                })
            })
            .collect();
        for thread in threads {
            times.extend(thread.join().expect("a client does not panic")?);
        }
        Ok(())
    })?;
    let took = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    ensure!(!times.is_empty(), "nothing was answered");
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Ok(Answered {
        per_second: times.len() as f64 / took,
        p50: at(0.5),
        p99: at(0.99),
    })
}

/// Reads everything that a source sends; MB/s from before the connection to the end.
pub(super) fn download(target: &Target, expected: usize) -> Result<f64> {
    let began = Instant::now();
    let mut stream = target.connect(Duration::from_secs(60))?;
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => total += count,
        }
    }
    ensure!(
        total == expected,
        "{total} bytes came instead of {expected}"
    );
    Ok(total as f64 / 1e6 / began.elapsed().as_secs_f64())
}

/// Writes to a sink, ends, and waits until the sink has read all of it; MB/s.
pub(super) fn upload(port: u16, length: usize) -> Result<f64> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let piece = vec![0x5a; 256 << 10];
    let mut left = length;
    while left > 0 {
        let count = left.min(piece.len());
        stream.write_all(&piece[..count])?;
        left -= count;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    Ok(length as f64 / 1e6 / began.elapsed().as_secs_f64())
}
