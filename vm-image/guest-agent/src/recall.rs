//! Being called back: what becomes of the transport when the VM goes on from a snapshot.
//!
//! The agent notices nothing of the snapshot itself. So while one is taken it looks for the daemon's
//! call among what it receives; only who comes from the snapshot will ever hear it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use coracle_guest_api::preamble;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::suspension::Token;

/// Whether the agent may be called back, and was.
#[derive(Clone, Default)]
pub(crate) struct Recall(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    awaited: Option<Awaited>,
    heard: Option<Token>,
}

struct Awaited {
    token: Token,
    call: Vec<u8>,
    /// How many bytes of the call the stream has ended with so far.
    matched: usize,
}

/// The call is awaited until this is dropped, or another one is awaited.
pub(crate) struct Awaiting(Recall, Token);

impl Recall {
    /// From now on the call with this token, and no other, is listened for.
    pub(crate) fn listen_for(&self, token: Token) -> Awaiting {
        self.lock().awaited = Some(Awaited {
            token,
            call: preamble::recall(&token),
            matched: 0,
        });
        Awaiting(self.clone(), token)
    }

    /// The token of the call that has come since this was last asked.
    pub(crate) fn take(&self) -> Option<Token> {
        self.lock().heard.take()
    }

    /// Looks at what was received; whether the call is in it.
    fn look(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        let Some(awaited) = &mut state.awaited else {
            return false;
        };
        let heard = bytes.iter().any(|byte| awaited.is_complete_with(*byte));
        if heard {
            state.heard = state.awaited.take().map(|awaited| awaited.token);
        }
        heard
    }

    fn was_heard(&self) -> bool {
        self.lock().heard.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    fn is_complete_with(&mut self, byte: u8) -> bool {
        if byte != self.call[self.matched] {
            // The call begins with a byte that its fixed part does not repeat.
            self.matched = 0;
        }
        if byte == self.call[self.matched] {
            self.matched += 1;
        }
        self.matched == self.call.len()
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state
            .awaited
            .as_ref()
            .is_some_and(|one| one.token == self.1)
        {
            state.awaited = None;
        }
    }
}

/// A stream that ends for its reader with the call.
pub(crate) struct Recallable<S> {
    stream: S,
    recall: Recall,
}

impl<S> Recallable<S> {
    pub(crate) fn new(stream: S, recall: Recall) -> Self {
        Self { stream, recall }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Recallable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.recall.was_heard() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if self.recall.look(&buffer.filled()[before..]) {
            // What is before the call is of a conversation that is over.
            buffer.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recallable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const TOKEN: Token = [7; preamble::NONCE];

    /// As a snapshot that was given up and whose guest has not noticed, beside the next one.
    #[test]
    fn who_stops_listening_leaves_the_next_one_be() {
        let recall = Recall::default();
        let first = recall.listen_for(TOKEN);
        let next: Token = [8; preamble::NONCE];
        let _listening = recall.listen_for(next);
        drop(first);
        assert!(recall.look(&preamble::recall(&next)));
        assert_eq!(recall.take(), Some(next));
    }

    #[tokio::test]
    async fn the_call_ends_the_conversation() {
        let (mut host, guest) = tokio::io::duplex(1 << 10);
        let recall = Recall::default();
        let mut stream = Recallable::new(guest, recall.clone());
        let _awaiting = recall.listen_for(TOKEN);
        let call = preamble::recall(&TOKEN);
        let (first, second) = call.split_at(11);
        // After a false start, and in pieces.
        host.write_all(&call[..3]).await.unwrap();
        host.write_all(first).await.unwrap();
        let mut word = [0; 14];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(recall.take(), None);
        host.write_all(second).await.unwrap();
        host.write_all(b"later").await.unwrap();
        for _ in 0..2 {
            assert_eq!(stream.read(&mut word).await.unwrap(), 0);
        }
        assert_eq!(recall.take(), Some(TOKEN));
        assert_eq!(recall.take(), None);
    }

    #[tokio::test]
    async fn nobody_is_called_who_does_not_listen() {
        let (mut host, guest) = tokio::io::duplex(1 << 10);
        let recall = Recall::default();
        let mut stream = Recallable::new(guest, recall.clone());
        drop(recall.listen_for(TOKEN));
        let _other = recall.listen_for([8; preamble::NONCE]);
        let call = preamble::recall(&TOKEN);
        host.write_all(&call).await.unwrap();
        let mut heard = vec![0; call.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, call);
        assert_eq!(recall.take(), None);
    }
}
