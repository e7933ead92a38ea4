//! The frames on a stream that carries a [`Resumable`](super::Resumable).
//!
//! A kind (u8), a length in bytes (u32, big endian) and the payload.

/// The longest payload of a frame, in bytes.
pub const MAX_PAYLOAD: usize = 64 << 10;

const HEAD: usize = 5;

const DATA: u8 = 0;
const END: u8 = 1;
const RECEIVED: u8 = 2;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The next bytes.
    Data(&'a [u8]),
    /// No more bytes will come.
    End,
    /// How many bytes have reached their reader; the end counts as one.
    Received(u64),
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of kind {kind} and {length} bytes is not known")]
pub struct Malformed {
    kind: u8,
    length: u32,
}

impl<'a> Frame<'a> {
    /// Appends the frame to `bytes`.
    ///
    /// # Panics
    /// When data is over [`MAX_PAYLOAD`]: senders take at most that.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mut put = |kind: u8, payload: &[u8]| {
            assert!(payload.len() <= MAX_PAYLOAD);
            bytes.push(kind);
            bytes.extend((payload.len() as u32).to_be_bytes());
            bytes.extend(payload);
        };
        match self {
            Self::Data(data) => put(DATA, data),
            Self::End => put(END, &[]),
            Self::Received(offset) => put(RECEIVED, &offset.to_be_bytes()),
        }
    }

    /// The frame that `bytes` begin with, and how many of them it takes; `None` when more have to come.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = u32::from_be_bytes(length);
        let is_known = match kind {
            DATA => length as usize <= MAX_PAYLOAD,
            END => length == 0,
            RECEIVED => length == 8,
            _ => false,
        };
        if !is_known {
            return Err(Malformed { kind, length });
        }
        let Some(payload) = rest.get(..length as usize) else {
            return Ok(None);
        };
        let frame = match (kind, <[u8; 8]>::try_from(payload)) {
            (DATA, _) => Self::Data(payload),
            (RECEIVED, Ok(offset)) => Self::Received(u64::from_be_bytes(offset)),
            _ => Self::End,
        };
        Ok(Some((frame, HEAD + payload.len())))
    }
}
