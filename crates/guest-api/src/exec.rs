//! A process in the guest, its input and output as frames.
//!
//! A frame is a kind (u8), a length in bytes (u32, big endian) and the payload. The same frames go
//! from the command to the daemon and on to the agent.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest payload of a frame, in bytes.
pub const MAX_FRAME: usize = 64 << 10;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// Program and arguments; empty for the login shell.
    pub argv: Vec<String>,
    /// Added to the environment.
    pub env: Vec<(String, String)>,
    /// Working folder in the guest.
    pub cwd: Option<String>,
    /// A terminal of this size, or none: then stdout and stderr are separate pipes.
    pub tty: Option<TerminalSize>,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// One frame of an exec stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecFrame {
    /// Host to guest: bytes of input; an empty one is the end of input.
    Stdin(Vec<u8>),
    /// Host to guest: the terminal's new size.
    Resize(TerminalSize),
    /// Guest to host: bytes of output (everything, with a terminal).
    Stdout(Vec<u8>),
    /// Guest to host: bytes of the error output.
    Stderr(Vec<u8>),
    /// Guest to host, the last one: exit code, 128 + N after signal N.
    Exit(i32),
}

impl ExecFrame {
    /// Encodes the frame.
    ///
    /// # Panics
    /// When a payload is over [`MAX_FRAME`]: senders read in chunks of at most that.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Self::Stdin(bytes) => (0, bytes.clone()),
            Self::Resize(size) => {
                let [a, b] = size.rows.to_be_bytes();
                let [c, d] = size.columns.to_be_bytes();
                (1, vec![a, b, c, d])
            }
            Self::Stdout(bytes) => (2, bytes.clone()),
            Self::Stderr(bytes) => (3, bytes.clone()),
            Self::Exit(code) => (4, code.to_be_bytes().to_vec()),
        };
        assert!(payload.len() <= MAX_FRAME, "frame over the limit");
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Decodes a frame from its kind and payload; `None` when they do not fit.
    pub fn decode(kind: u8, payload: Vec<u8>) -> Option<Self> {
        Some(match kind {
            0 => Self::Stdin(payload),
            1 => {
                let [a, b, c, d] = payload.try_into().ok()?;
                Self::Resize(TerminalSize {
                    rows: u16::from_be_bytes([a, b]),
                    columns: u16::from_be_bytes([c, d]),
                })
            }
            2 => Self::Stdout(payload),
            3 => Self::Stderr(payload),
            4 => Self::Exit(i32::from_be_bytes(payload.try_into().ok()?)),
            _ => return None,
        })
    }
}

/// Writes one frame and flushes.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &ExecFrame) -> io::Result<()> {
    stream.write_all(&frame.encode()).await?;
    stream.flush().await
}

/// Reads one frame; `None` at the stream's end, `InvalidData` when it is malformed.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<ExecFrame>> {
    let mut head = [0; 5];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await?;
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "malformed exec frame");
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > MAX_FRAME {
        return Err(malformed());
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    ExecFrame::decode(head[0], payload)
        .map(Some)
        .ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_frame_survives_the_way() {
        let frames = [
            ExecFrame::Stdin(b"in".to_vec()),
            ExecFrame::Stdin(vec![]),
            ExecFrame::Resize(TerminalSize {
                rows: 24,
                columns: 300,
            }),
            ExecFrame::Stdout(vec![1; MAX_FRAME]),
            ExecFrame::Stderr(b"err".to_vec()),
            ExecFrame::Exit(-1),
        ];
        let (mut a, mut b) = tokio::io::duplex(1 << 20);
        for frame in &frames {
            write(&mut a, frame).await.unwrap();
        }
        drop(a);
        for frame in frames {
            assert_eq!(read(&mut b).await.unwrap(), Some(frame));
        }
        assert_eq!(read(&mut b).await.unwrap(), None);
    }

    #[tokio::test]
    async fn malformed_frames_are_refused() {
        for bytes in [
            &[9u8, 0, 0, 0, 0][..],
            &[0, 0xff, 0, 0, 0],
            &[1, 0, 0, 0, 1, 0],
        ] {
            let mut bytes = bytes;
            assert!(read(&mut bytes).await.is_err());
        }
    }
}
