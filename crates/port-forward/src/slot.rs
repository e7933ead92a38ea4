//! A socket that can be closed while a task waits on it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// Holds a socket until [`Slot::close`]. An aborted task lets go of its socket some time
/// later; a port must be free again when `docker stop` returns.
pub(crate) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    pub(crate) fn new(socket: T) -> Self {
        Self(Arc::new(Mutex::new(Some(socket))))
    }

    /// Closes the socket now.
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Uses the socket; `None` when it is closed.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&T) -> R) -> Option<R> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().map(act)
    }

    /// Polls the socket; ready with `None` when it is closed.
    pub(crate) fn poll<R>(
        &self,
        act: impl FnOnce(&T) -> Poll<io::Result<R>>,
    ) -> Poll<Option<io::Result<R>>> {
        match self.with(act) {
            Some(poll) => poll.map(Some),
            None => Poll::Ready(None),
        }
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
