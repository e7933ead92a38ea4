//! The agreement at the start of the byte stream.
//!
//! A virtio-serial port has no connections: what the daemon writes before the guest has
//! opened the port is lost, and bytes of an earlier conversation may still be in its
//! queues. So the agent announces itself with [`READY`], and only then the daemon sends
//! [`MAGIC`], a fresh nonce and its hello, once: a second hello would land among the
//! multiplexer's frames. The agent looks for the magic and answers with magic and the same
//! nonce, and the daemon drops all bytes before that answer.
//!
//! Around a suspension the byte stream goes on for the guest while the daemon's end becomes another one,
//! and bytes of the multiplexer are still on their way. So the daemon chooses a token beforehand; the
//! agent's announcement ([`announcement`]) and the only preamble that it takes then carry it,
//! and neither can be mistaken for payload.
//!
//! A snapshot is taken of an agent that stays on the transport. Whoever resumes it finds an agent in the middle of a
//! conversation with someone who is gone, and calls it back: [`recall`] with the token of that
//! snapshot, among whatever the agent still expects, has it announce itself as after a suspension.

use std::io;

use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::message::{self, MessageError};
use crate::{Hello, HelloReply};

/// Marks a preamble in the stream.
pub const MAGIC: [u8; 8] = *b"CORACLE\x01";

/// What the agent sends first, each time it begins to wait for a hello.
pub const READY: [u8; 8] = *b"CORACLE\x02";

/// What the daemon calls back with, before the token. Its first byte is not among the others.
pub const RECALL: [u8; 8] = *b"\x03CORACLE";

/// Length of the nonce, in bytes.
pub const NONCE: usize = 16;

/// How many bytes of an earlier conversation are skipped before the search for
/// the preamble gives up.
pub const MAX_SKIP: usize = 64 << 20;

/// Why the two ends did not agree.
#[derive(Debug, thiserror::Error)]
pub enum PreambleError {
    /// The stream failed or a message was malformed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// No preamble within [`MAX_SKIP`] bytes.
    #[error("no preamble was found on the transport")]
    NotFound,
    /// The secret of the hello is wrong.
    #[error("the hello carried a wrong secret")]
    WrongSecret,
}

impl From<io::Error> for PreambleError {
    fn from(error: io::Error) -> Self {
        Self::Message(error.into())
    }
}

/// The daemon's side: waits for the agent, sends the hello, returns the agent's answer.
///
/// Waits for as long as the guest boots; the caller bounds it.
pub async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    nonce: [u8; NONCE],
    hello: &Hello,
) -> Result<HelloReply, PreambleError> {
    skip_past(stream, &READY).await?;
    reconnect(stream, nonce, hello).await
}

/// The daemon's side when the agent is known to wait for this token.
pub async fn reconnect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    nonce: [u8; NONCE],
    hello: &Hello,
) -> Result<HelloReply, PreambleError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&message::encode(hello)?);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let mut expected = MAGIC.to_vec();
    expected.extend_from_slice(&nonce);
    skip_past(stream, &expected).await?;
    Ok(message::expect(stream).await?)
}

/// The daemon's side when the agent comes from a snapshot that was taken with this token.
pub async fn call_back(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: [u8; NONCE],
    hello: &Hello,
) -> Result<HelloReply, PreambleError> {
    stream.write_all(&recall(&token)).await?;
    stream.flush().await?;
    skip_past(stream, &announcement(&token)).await?;
    reconnect(stream, token, hello).await
}

/// What ends the conversation of an agent that comes from the snapshot of this token.
pub fn recall(token: &[u8; NONCE]) -> Vec<u8> {
    [&RECALL[..], token].concat()
}

/// The agent's side: announces itself, waits for a hello with the right secret, answers it.
///
/// A wrong secret is answered with silence and an error.
pub async fn accept(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: &str,
    reply: &HelloReply,
) -> Result<Hello, PreambleError> {
    stream.write_all(&READY).await?;
    stream.flush().await?;
    skip_past(stream, &MAGIC).await?;
    let mut nonce = [0; NONCE];
    stream.read_exact(&mut nonce).await?;
    answer(stream, nonce, secret, reply).await
}

/// What an agent announces itself with after the order to suspend, or when it is called back: [`READY`] and the token.
pub fn announcement(token: &[u8; NONCE]) -> Vec<u8> {
    [&READY[..], token].concat()
}

/// The agent's side after the order to suspend, or when it was called back: takes the preamble with this token and no other.
pub async fn accept_again(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: [u8; NONCE],
    secret: &str,
    reply: &HelloReply,
) -> Result<Hello, PreambleError> {
    stream.write_all(&announcement(&token)).await?;
    stream.flush().await?;
    skip_past(stream, &[&MAGIC[..], &token].concat()).await?;
    answer(stream, token, secret, reply).await
}

async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    nonce: [u8; NONCE],
    secret: &str,
    reply: &HelloReply,
) -> Result<Hello, PreambleError> {
    let hello: Hello = message::expect(stream).await?;
    if !bool::from(hello.secret.as_bytes().ct_eq(secret.as_bytes())) {
        return Err(PreambleError::WrongSecret);
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&message::encode(reply)?);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(hello)
}

/// Reads byte by byte until `pattern` has passed.
async fn skip_past(
    stream: &mut (impl AsyncRead + Unpin),
    pattern: &[u8],
) -> Result<(), PreambleError> {
    let mut window: Vec<u8> = Vec::with_capacity(pattern.len());
    for _ in 0..MAX_SKIP {
        if window.len() == pattern.len() {
            window.remove(0);
        }
        window.push(stream.read_u8().await?);
        if window == pattern {
            return Ok(());
        }
    }
    Err(PreambleError::NotFound)
}

#[cfg(test)]
mod tests;
