//! Node.js: the inspector in the running process.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use coracle_guest_api::{AgentError, AgentErrorCode};
use nix::libc::SIGUSR1;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Found, find, listeners, namespace};

/// How long the process may take to open its inspector; it does so between two turns of its loop.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// How long an inspector may take to say what it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Has the process open its inspector, unless it is open.
pub(crate) async fn open(found: &Found) -> Result<(), AgentError> {
    if inspector(found).await.is_some() {
        return Ok(());
    }
    // Without a handler the signal would kill it.
    let caught =
        find::status(found.pid, "SigCgt").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    if caught.is_none_or(|mask| mask & (1 << (SIGUSR1 - 1)) == 0) {
        return Err(failed(format!(
            "process {} (node) does not open its inspector on SIGUSR1, as without \
             --disable-sigusr1 it would: restart it without that, or with --inspect",
            found.about.pid
        )));
    }
    let pid = Pid::from_raw(found.pid.cast_signed());
    kill(pid, Signal::SIGUSR1)
        .map_err(|_| failed(format!("process {} has ended", found.about.pid)))?;
    let until = Instant::now() + OPEN_WITHIN;
    while Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
        if inspector(found).await.is_some() {
            return Ok(());
        }
    }
    Err(failed(format!(
        "process {} (node) has not opened its inspector: its loop is busy, or another process in the \
         container has port 9229",
        found.about.pid
    )))
}

/// A connection to the inspector.
pub(crate) async fn dial(found: &Found) -> Result<TcpStream, AgentError> {
    let address = inspector(found).await;
    let closed = || {
        failed(format!(
            "the inspector of process {} is closed",
            found.about.pid
        ))
    };
    let dialled = namespace::dial(found.pid, address.ok_or_else(closed)?).await;
    dialled.map_err(|error| failed(format!("the inspector does not answer: {error}")))
}

/// Where the inspector listens: the one of the process' loopback addresses that says so.
async fn inspector(found: &Found) -> Option<SocketAddr> {
    for address in listeners::on_loopback(found.pid) {
        let asked = timeout(ANSWER_WITHIN, is_inspector(found.pid, address));
        if asked.await.is_ok_and(|yes| yes) {
            return Some(address);
        }
    }
    None
}

async fn is_inspector(pid: u32, address: SocketAddr) -> bool {
    let answer = get(pid, address, "/json/version").await;
    answer.is_ok_and(|answer| answer.contains("node.js/"))
}

/// Has the process close its inspector, a moment after this has left it.
pub(crate) async fn close(found: &Found) -> io::Result<()> {
    let Some(address) = inspector(found).await else {
        return Ok(());
    };
    let list = get(found.pid, address, "/json/list").await?;
    let targets: serde_json::Value = serde_json::from_str(&list)?;
    let id = targets[0]["id"].as_str().unwrap_or_default();
    let mut stream = namespace::dial(found.pid, address).await?;
    let upgrade = format!(
        "GET /{id} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y29yYWNsZSBkZWJ1ZyBlbmQ=\r\n\r\n"
    );
    let end = r#"{"id":1,"method":"Runtime.evaluate","params":{"expression":"setTimeout(() => process._debugEnd(), 100), 0"}}"#;
    let conversation = async {
        stream.write_all(upgrade.as_bytes()).await?;
        // Node drops what comes together with the request to upgrade.
        await_text(&mut stream, "\r\n\r\n").await?;
        stream.write_all(&text_frame(end)).await?;
        await_text(&mut stream, r#""id":1"#).await
    };
    timeout(ANSWER_WITHIN, conversation).await?
}

/// Reads until the text has come.
async fn await_text(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&answer).contains(text) {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(())
}

/// A short text of a client (RFC 6455, 5.2), under a mask that changes nothing.
fn text_frame(text: &str) -> Vec<u8> {
    const FINAL_TEXT: u8 = 0x81;
    const MASKED: u8 = 0x80;
    let mut frame = vec![FINAL_TEXT];
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(MASKED | length),
        _ => {
            frame.push(MASKED | 126);
            frame.extend((text.len() as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.bytes());
    frame
}

/// The body of an answer of the inspector.
async fn get(pid: u32, address: SocketAddr, path: &str) -> io::Result<String> {
    const MOST: usize = 64 << 10;
    let mut stream = namespace::dial(pid, address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        // The connection may stay open behind the body.
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if length.is_some_and(|length| body.len() >= length) {
                return Ok(body.to_owned());
            }
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if answer.len() > MOST => return Err(io::ErrorKind::InvalidData.into()),
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
}

fn failed(message: String) -> AgentError {
    AgentError::new(AgentErrorCode::NoProcess, message)
}
