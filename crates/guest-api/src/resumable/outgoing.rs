//! What one end has to say, until the other has it.

use std::collections::VecDeque;

use super::{Frame, Violation, WINDOW};
use crate::resumable::frame::MAX_PAYLOAD;

/// Bytes by their offset from the beginning. The end, once there is one, has the offset after the last.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Those that the other end is not known to have.
    bytes: VecDeque<u8>,
    /// Offset of the first of them.
    start: u64,
    ended: bool,
    end_received: bool,
}

impl Outgoing {
    /// How many more bytes may be kept.
    pub(super) fn room(&self) -> usize {
        match self.ended {
            true => 0,
            false => WINDOW - self.bytes.len(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the other end has everything, the end too.
    pub(super) fn is_over(&self) -> bool {
        self.end_received
    }

    /// The other end has everything before `offset`, of which it can have had what is before `said`.
    pub(super) fn received(&mut self, offset: u64, said: u64) -> Result<(), Violation> {
        let before = match self.end_received {
            true => self.beyond(),
            false => self.start,
        };
        if offset < before || offset > said {
            return Err(Violation::Offset(offset));
        }
        if self.end_received {
            return Ok(());
        }
        self.end_received = self.ended && offset == self.beyond();
        let bytes = (offset - self.start) as usize - usize::from(self.end_received);
        self.bytes.drain(..bytes);
        self.start += bytes as u64;
        Ok(())
    }

    /// What follows `offset`, and the offset after it.
    pub(super) fn after(&self, offset: u64) -> Option<(Frame<'_>, u64)> {
        if self.ended && offset == self.beyond() - 1 {
            return Some((Frame::End, offset + 1));
        }
        let (front, back) = self.bytes.as_slices();
        let skipped = offset.checked_sub(self.start)? as usize;
        let rest = match skipped.checked_sub(front.len()) {
            None => &front[skipped..],
            Some(skipped) => back.get(skipped..)?,
        };
        let piece = &rest[..rest.len().min(MAX_PAYLOAD)];
        (!piece.is_empty()).then_some((Frame::Data(piece), offset + piece.len() as u64))
    }

    /// The offset after everything that there is.
    pub(super) fn beyond(&self) -> u64 {
        self.start + self.bytes.len() as u64 + u64::from(self.ended)
    }
}
