//! Changes of shared folders, from the host to the guest, which raises them as inotify events.
//!
//! A frame from the host is a length (u32), then a batch: sequence number (u64), the share's path
//! behind its length (u16), the number of records (u32) and the records. One from the guest
//! acknowledges a batch: its sequence number (u64), an [`Outcome`] (u8) and the echoes behind their length
//! in bytes (u16). Numbers are little
//! endian, because the records go on to the guest's kernel module as they are
//! (`vm-image/events-module/coracle_events.h`).
//!
//! A record is kind (u8), flags (u8), the lengths of four strings (u16 each), and the strings,
//! each followed by a NUL: the folder below the share's root, the name in it, and of a rename the
//! folder and the name that it went to.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

mod record;

pub use record::{FileEvent, FileEventKind, Place};

/// The longest batch, in bytes; the module takes twice as much.
pub const MAX_BATCH: usize = 512 << 10;

/// What the host saw in one share, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Counted up by the host.
    pub sequence: u64,
    /// The share's path in the guest.
    pub share: String,
    /// What happened.
    pub events: Vec<FileEvent>,
}

/// How a batch was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As inotify events of every kind.
    Whole {
        /// Which were not raised, because the guest had caused them itself: a bit for each event, the
        /// lowest of the first byte first.
        echoes: Vec<u8>,
    },
    /// As far as system calls can: the kernel module is missing.
    InPart,
    /// Not at all: the share is not mounted.
    Not,
}

/// The bytes are no batch.
#[derive(Debug, thiserror::Error)]
#[error("malformed file events: {0}")]
pub struct Malformed(pub(crate) &'static str);

impl Batch {
    /// Encodes the batch without the frame's length. Longer than [`MAX_BATCH`] it will be refused.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.sequence.to_le_bytes().to_vec();
        bytes.extend((self.share.len() as u16).to_le_bytes());
        bytes.extend(self.share.as_bytes());
        bytes.extend((self.events.len() as u32).to_le_bytes());
        bytes.extend(encode_records(&self.events));
        bytes
    }

    /// Decodes what [`encode`](Self::encode) made.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = record::Input(bytes);
        let sequence = u64::from_le_bytes(input.array()?);
        let length = u16::from_le_bytes(input.array()?);
        let share = std::str::from_utf8(input.take(length.into())?)
            .map_err(|_| Malformed("the share's path is not UTF-8"))?
            .to_owned();
        let count = u32::from_le_bytes(input.array()?);
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(FileEvent::decode(&mut input)?);
        }
        if !input.0.is_empty() {
            return Err(Malformed("bytes after the last record"));
        }
        Ok(Self {
            sequence,
            share,
            events,
        })
    }
}

/// The records alone, as the kernel module takes them.
pub fn encode_records(events: &[FileEvent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    events.iter().for_each(|event| event.encode(&mut bytes));
    bytes
}

/// Writes a batch as one frame and flushes; `InvalidInput` when it is over [`MAX_BATCH`].
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), batch: &Batch) -> io::Result<()> {
    let bytes = batch.encode();
    if bytes.len() > MAX_BATCH {
        let text = "a batch of file events is over the limit";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut frame = (bytes.len() as u32).to_le_bytes().to_vec();
    frame.extend(bytes);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Reads one batch; `None` at the stream's end, `InvalidData` when it is malformed.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Batch>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u32::from_le_bytes(length) as usize;
    let invalid = |error: Malformed| io::Error::new(io::ErrorKind::InvalidData, error);
    if length > MAX_BATCH {
        return Err(invalid(Malformed("a batch over the limit")));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Batch::decode(&bytes).map(Some).map_err(invalid)
}

impl Outcome {
    /// Whether the guest has caused the event of this number by itself.
    pub fn is_echo(&self, event: usize) -> bool {
        match self {
            Self::Whole { echoes } => echoes
                .get(event / 8)
                .is_some_and(|byte| byte >> (event % 8) & 1 == 1),
            Self::InPart | Self::Not => false,
        }
    }
}

/// The longest echoes: a batch has no more records than fit into it.
const MAX_ECHOES: usize = MAX_BATCH / 8 / 14;

/// Acknowledges a batch, and flushes.
pub async fn write_ack(
    stream: &mut (impl AsyncWrite + Unpin),
    sequence: u64,
    outcome: &Outcome,
) -> io::Result<()> {
    let (code, echoes) = match outcome {
        Outcome::Whole { echoes } => (0, &echoes[..]),
        Outcome::InPart => (1, &[][..]),
        Outcome::Not => (2, &[][..]),
    };
    let mut frame = sequence.to_le_bytes().to_vec();
    frame.push(code);
    frame.extend((echoes.len() as u16).to_le_bytes());
    frame.extend(echoes);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Reads one acknowledgement; `None` at the stream's end, `InvalidData` when it is malformed.
pub async fn read_ack(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(u64, Outcome)>> {
    let mut frame = [0; 11];
    if stream.read(&mut frame[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut frame[1..]).await?;
    let [sequence @ .., code, low, high] = frame;
    let length = usize::from(u16::from_le_bytes([low, high]));
    let invalid = |text: &'static str| io::Error::new(io::ErrorKind::InvalidData, Malformed(text));
    let outcome = match code {
        0 if length <= MAX_ECHOES => {
            let mut echoes = vec![0; length];
            stream.read_exact(&mut echoes).await?;
            Outcome::Whole { echoes }
        }
        1 if length == 0 => Outcome::InPart,
        2 if length == 0 => Outcome::Not,
        _ => {
            return Err(invalid(
                "an unknown outcome, or echoes that it does not have",
            ));
        }
    };
    Ok(Some((u64::from_le_bytes(sequence), outcome)))
}

#[cfg(test)]
mod tests;
