//! One debugger on a session's port.

use std::io;
use std::time::Duration;

use coracle_guest_api::StreamHeader;
use coracle_guest_api::debug::{DebugTarget, Runtime, SessionToken};
use coracle_guest_api::mux::{Guests, MuxStream, OpenError, Opener};
use coracle_guest_api::resumable::{Carried, Resumable};
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::DebugError;

/// How long a client may take to say its first word. Nothing is done to the process before.
const FIRST_WORD: Duration = Duration::from_secs(60);

/// How long a client that is not served may take to hang up.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Serves one client to its end.
pub(crate) async fn serve(
    client: TcpStream,
    runtime: Runtime,
    target: DebugTarget,
    guests: Guests,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut first = [0; 1];
    if timeout(FIRST_WORD, client.peek(&mut first)).await?? == 0 {
        return Ok(());
    }
    if !may_begin(runtime, first[0]) {
        let text = format!(
            "This is a debug port of Coracle, for {}.\n",
            debugger(runtime)
        );
        return say(client, text.as_bytes()).await;
    }
    let session = rand::random();
    match begin(target, session, &guests).await {
        Ok(line) => stay(client, session, line, &guests).await,
        Err(error) => {
            let why = error.to_string();
            tracing::info!("a debugger was not served: {why}");
            say(client, &refusal(runtime, &why)).await
        }
    }
}

/// A stream that a client's bytes go over, and the guest at its other end.
type Line = (Opener, MuxStream);

async fn begin(
    target: DebugTarget,
    session: SessionToken,
    guests: &Guests,
) -> Result<Line, DebugError> {
    let guest = guests.reach().await.map_err(|_| DebugError::no_guest())?;
    let (stream, _) = guest.open(&StreamHeader::Debug { target, session }).await?;
    Ok((guest, stream))
}

/// Carries the client's bytes, also when the guest goes and comes back.
async fn stay(
    client: TcpStream,
    session: SessionToken,
    (mut guest, mut stream): Line,
    guests: &Guests,
) -> io::Result<()> {
    let mut client = Resumable::new(client);
    while client.carry(stream).await.map_err(io::Error::other)? == Carried::Broken {
        if !guest.took_its_streams().await {
            return Err(io::Error::other("the guest has ended it"));
        }
        (guest, stream) = again(session, guests).await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Waits for the guest to be back, for as long as the VM sleeps.
async fn again(session: SessionToken, guests: &Guests) -> Result<Line, OpenError> {
    loop {
        let guest = guests.next().await;
        match guest.open(&StreamHeader::DebugAgain { session }).await {
            Ok((stream, _)) => return Ok((guest, stream)),
            Err(error @ OpenError::Refused(_)) => return Err(error),
            Err(error) if !guest.took_its_streams().await => return Err(error),
            Err(_) => {}
        }
    }
}

/// Says the last words to a client. What it has sent meanwhile is read: left unread, it would have the
/// system reset the connection, and the words would be lost.
async fn say(mut client: TcpStream, words: &[u8]) -> io::Result<()> {
    client.write_all(words).await?;
    client.shutdown().await?;
    let mut rest = sink();
    match timeout(LEAVE_WITHIN, copy(&mut client, &mut rest)).await {
        Ok(read) => read.map(drop),
        Err(_) => Ok(()),
    }
}

/// Whether a client of that kind begins so; others are told where they are, and the process is left alone.
fn may_begin(runtime: Runtime, byte: u8) -> bool {
    match runtime {
        // An acknowledgement, a packet, an interruption.
        Runtime::Native => matches!(byte, b'+' | b'-' | b'$' | 3),
        // GET
        Runtime::Node => byte == b'G',
        // Content-Length
        Runtime::Python => byte == b'C',
    }
}

fn debugger(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Native => "gdb: `target remote` with this port",
        Runtime::Node => "Chrome DevTools, VS Code or `node inspect`",
        Runtime::Python => "debuggers that speak the debug adapter protocol, such as VS Code",
    }
}

/// A failure in words that the client shows.
fn refusal(runtime: Runtime, why: &str) -> Vec<u8> {
    match runtime {
        Runtime::Native => {
            // Bytes that would end the packet do not occur in sentences; others are 7-bit there.
            let clean = |byte: u8| match byte {
                b'#' | b'$' | b'}' | b'*' | 0x80.. => b'?',
                byte => byte,
            };
            let packet: Vec<u8> = format!("E.{why}").bytes().map(clean).collect();
            let sum = packet
                .iter()
                .fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            [b"+$", &packet[..], format!("#{sum:02x}").as_bytes()].concat()
        }
        Runtime::Node => format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{why}",
            why.len()
        )
        .into_bytes(),
        Runtime::Python => {
            let said = serde_json::json!({
                "seq": 1, "type": "event", "event": "output",
                "body": { "category": "important", "output": format!("{why}\n") },
            });
            let end = serde_json::json!({ "seq": 2, "type": "event", "event": "terminated" });
            let message = |body: String| format!("Content-Length: {}\r\n\r\n{body}", body.len());
            [said, end]
                .map(|one| message(one.to_string()))
                .concat()
                .into_bytes()
        }
    }
}

#[cfg(test)]
mod tests;
