//! A byte stream that outlives the streams which carry it.
//!
//! A suspension ends all streams of the multiplexer, with bytes of both directions still on their way. So each
//! end keeps what it has said until the other one has it, and on the next stream says first how far it has
//! come itself: from there the other one goes on. Nothing is lost and nothing comes twice. What is kept, and
//! what waits for a slow reader, is bounded by [`WINDOW`] each.
//!
//! On each stream [`Frame`]s follow the reply, the first of each end a [`Frame::Received`].

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

mod frame;
mod outgoing;

pub use frame::{Frame, MAX_PAYLOAD, Malformed};
use outgoing::Outgoing;

/// How many bytes of one direction may be on their way at once.
pub const WINDOW: usize = 256 << 10;

/// How many bytes reach their reader before the other end is told.
const TELL_AFTER: u64 = WINDOW as u64 / 4;

/// What is read at once, in bytes.
const PIECE: usize = 16 << 10;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Both directions are over, and both ends know it.
    Over,
    /// Before its time. Another one can go on.
    Broken,
}

/// What the other end must not say. There is nothing to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No frame.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has received what was not sent, or has lost what it had received.
    #[error("the other end claims to have received {0} bytes")]
    Offset(u64),
    /// Its first frame is another one than [`Frame::Received`].
    #[error("the other end did not say what it has received")]
    Mute,
    /// Data beyond the window, or behind the end.
    #[error("the other end sent more than it may")]
    TooMuch,
}

/// One end of it, with the connection whose bytes it carries, which must not need to be flushed.
#[derive(Debug)]
pub struct Resumable<T> {
    local: T,
    outgoing: Outgoing,
    /// How many bytes the connection has taken; its end counts as one.
    taken: u64,
    end_taken: bool,
    /// The connection takes no more: what comes for it is thrown away.
    deaf: bool,
    piece: Box<[u8]>,
}

/// One stream that carries it.
struct Leg<S> {
    stream: S,
    /// Frames on their way out, and how many of their bytes have left.
    leaving: Vec<u8>,
    left: usize,
    /// Everything before it has been said on this stream; `None` until the other end said where to begin.
    said: Option<u64>,
    /// What the other end was told of what the connection has taken.
    told: Option<u64>,
    /// The beginning of a frame.
    arrived: Vec<u8>,
    /// For the connection.
    inbox: VecDeque<u8>,
    end_arrived: bool,
}

/// Why a leg ends.
enum Stop {
    Carried(Carried),
    Violation(Violation),
}

impl<T: Into<Violation>> From<T> for Stop {
    fn from(violation: T) -> Self {
        Self::Violation(violation.into())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Resumable<T> {
    /// From the beginning.
    pub fn new(local: T) -> Self {
        Self {
            local,
            outgoing: Outgoing::default(),
            taken: 0,
            end_taken: false,
            deaf: false,
            piece: vec![0; PIECE].into(),
        }
    }

    /// Carries over a stream until it ends, or everything is said. After a violation, as after
    /// [`Carried::Over`], there is nothing more to carry.
    pub async fn carry(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> Result<Carried, Violation> {
        let mut leg = Leg::new(stream);
        let stop = poll_fn(|cx| {
            loop {
                match self.poll_once(&mut leg, cx) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Pending,
                    Err(stop) => return Poll::Ready(stop),
                }
            }
        });
        match stop.await {
            Stop::Carried(Carried::Over) => {
                // Who has gone by now has heard everything.
                let _ = leg.stream.shutdown().await;
                Ok(Carried::Over)
            }
            Stop::Carried(broken) => Ok(broken),
            Stop::Violation(violation) => Err(violation),
        }
    }

    /// Whether anything has moved; if not, all that could has taken note of the waker.
    fn poll_once<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        leg: &mut Leg<S>,
        cx: &mut Context<'_>,
    ) -> Result<bool, Stop> {
        let mut moved = self.poll_pull(cx);
        leg.prepare(&self.outgoing, self.taken, self.end_taken);
        moved |= leg.poll_send(cx)?;
        if leg.is_over(self) {
            return Err(Stop::Carried(Carried::Over));
        }
        moved |= leg.poll_receive(&mut self.piece, cx)?;
        moved |= leg.look(&mut self.outgoing, self.end_taken)?;
        Ok(self.poll_put(leg, cx) || moved)
    }

    /// From the connection to what is to be said.
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> bool {
        let room = self.outgoing.room().min(self.piece.len());
        if room == 0 {
            return false;
        }
        let mut read = ReadBuf::new(&mut self.piece[..room]);
        match Pin::new(&mut self.local).poll_read(cx, &mut read) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if !read.filled().is_empty() => self.outgoing.push(read.filled()),
            // One that was cut off reads as one that has ended.
            Poll::Ready(_) => self.outgoing.end(),
        }
        true
    }

    /// From what has arrived to the connection.
    fn poll_put<S>(&mut self, leg: &mut Leg<S>, cx: &mut Context<'_>) -> bool {
        let waiting = leg.inbox.as_slices().0;
        let count = if waiting.is_empty() {
            return leg.end_arrived && self.poll_end(cx);
        } else if self.deaf {
            waiting.len()
        } else {
            match Pin::new(&mut self.local).poll_write(cx, waiting) {
                Poll::Pending => return false,
                Poll::Ready(Ok(count)) if count > 0 => count,
                Poll::Ready(_) => {
                    self.deaf = true;
                    return true;
                }
            }
        };
        leg.inbox.drain(..count);
        self.taken += count as u64;
        true
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end_taken || Pin::new(&mut self.local).poll_shutdown(cx).is_pending() {
            return false;
        }
        self.end_taken = true;
        self.taken += 1;
        true
    }
}

impl<S> Leg<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            leaving: Vec::new(),
            left: 0,
            said: None,
            told: None,
            arrived: Vec::new(),
            inbox: VecDeque::new(),
            end_arrived: false,
        }
    }

    /// Makes frames of what is to be said, once those before have left.
    fn prepare(&mut self, outgoing: &Outgoing, taken: u64, end_taken: bool) {
        if self.left < self.leaving.len() {
            return;
        }
        self.leaving.clear();
        self.left = 0;
        let is_late = |told| taken - told >= TELL_AFTER || (end_taken && told < taken);
        if self.told.is_none_or(is_late) {
            Frame::Received(taken).encode(&mut self.leaving);
            self.told = Some(taken);
        }
        if let Some((frame, after)) = self.said.and_then(|said| outgoing.after(said)) {
            frame.encode(&mut self.leaving);
            self.said = Some(after);
        }
    }

    /// Whether both ends have heard everything from each other.
    fn is_over<T>(&self, all: &Resumable<T>) -> bool {
        let has_told = self.left == self.leaving.len() && self.told == Some(all.taken);
        all.end_taken && has_told && all.outgoing.is_over()
    }

    /// Looks at the frames that have arrived.
    fn look(&mut self, outgoing: &mut Outgoing, end_taken: bool) -> Result<bool, Violation> {
        let mut looked = 0;
        while let Some((frame, length)) = Frame::decode(&self.arrived[looked..])? {
            looked += length;
            match frame {
                Frame::Received(offset) => {
                    let said = self.said.unwrap_or(outgoing.beyond());
                    outgoing.received(offset, said)?;
                    self.said.get_or_insert(offset);
                }
                _ if self.said.is_none() => return Err(Violation::Mute),
                _ if self.end_arrived || end_taken => return Err(Violation::TooMuch),
                Frame::Data(data) if self.inbox.len() + data.len() > WINDOW => {
                    return Err(Violation::TooMuch);
                }
                Frame::Data(data) => self.inbox.extend(data),
                Frame::End => self.end_arrived = true,
            }
        }
        self.arrived.drain(..looked);
        Ok(looked > 0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Leg<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let rest = &self.leaving[self.left..];
        if rest.is_empty() {
            return Ok(false);
        }
        match Pin::new(&mut self.stream).poll_write(cx, rest) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(count)) if count > 0 => {
                self.left += count;
                Ok(true)
            }
            Poll::Ready(_) => Err(Stop::Carried(Carried::Broken)),
        }
    }

    fn poll_receive(&mut self, piece: &mut [u8], cx: &mut Context<'_>) -> Result<bool, Stop> {
        let mut read = ReadBuf::new(piece);
        match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                self.arrived.extend(read.filled());
                Ok(true)
            }
            Poll::Ready(_) => Err(Stop::Carried(Carried::Broken)),
        }
    }
}

#[cfg(test)]
mod tests;
