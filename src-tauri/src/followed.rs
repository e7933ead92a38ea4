//! What the page follows, each in a task of its own that ends with its number or with the page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coracle_daemon_api::{ApiError, Client, ErrorCode};
use coracle_host_paths::HostPaths;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

use crate::engine::Engine;

/// Pieces that the page has not taken yet. What more there is waits with whoever writes it, so that a flood neither
/// fills the memory nor keeps the page from a person.
const UNTAKEN: usize = 8;

/// The tasks that go on now, and whom they ask.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) client: Client,
    pub(crate) engine: Engine,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    /// The number of the one that began last.
    last: u32,
    by_number: HashMap<u32, Task>,
}

#[derive(Debug)]
struct Task {
    handle: AbortHandle,
    room: Arc<Semaphore>,
}

/// Sends to the page; fails when it is gone.
type Sends<T> = Box<dyn Fn(T) -> Result<(), ApiError> + Send + Sync>;

/// The way of what is followed to the page.
pub(crate) struct Pieces<T> {
    to: Sends<T>,
    room: Arc<Semaphore>,
}

impl<T> Pieces<T> {
    /// Waits until the page has taken what came before. Fails when it is gone.
    pub(crate) async fn reserve(&self) -> Result<Place<'_, T>, ApiError> {
        let room = self.room.acquire().await.map_err(|_| page_gone())?;
        Ok(Place { to: &self.to, room })
    }

    /// [Waits](Self::reserve), and sends.
    pub(crate) async fn send(&self, piece: T) -> Result<(), ApiError> {
        self.reserve().await?.send(piece)
    }
}

/// Where there is room for a piece.
pub(crate) struct Place<'a, T> {
    to: &'a Sends<T>,
    room: SemaphorePermit<'a>,
}

impl<T> Place<'_, T> {
    /// Fails when the page is gone.
    pub(crate) fn send(self, piece: T) -> Result<(), ApiError> {
        // Given back when the page has taken the piece.
        self.room.forget();
        (self.to)(piece)
    }
}

/// Nobody is left to be told anything.
pub(crate) fn page_gone() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the page has gone")
}

impl Followed {
    /// None yet.
    pub(crate) fn new(paths: &HostPaths) -> Self {
        Self {
            client: Client::new(&paths.daemon_socket()),
            engine: Engine::new(&paths.engine_socket()),
            tasks: Mutex::default(),
        }
    }

    /// Goes on until the task has ended or [`end`](Self::end) gets the number.
    pub(crate) fn begin<T, F>(
        &self,
        to: impl Fn(T) -> Result<(), ApiError> + Send + Sync + 'static,
        task: impl FnOnce(Pieces<T>) -> F,
    ) -> u32
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(UNTAKEN));
        let pieces = Pieces {
            to: Box::new(to),
            room: room.clone(),
        };
        let handle = tokio::spawn(task(pieces)).abort_handle();
        let mut tasks = self.lock();
        tasks.last = tasks.last.wrapping_add(1);
        let number = tasks.last;
        tasks.by_number.retain(|_, task| !task.handle.is_finished());
        tasks.by_number.insert(number, Task { handle, room });
        number
    }

    /// The page has taken so many pieces.
    pub(crate) fn taken(&self, number: u32, count: usize) {
        if let Some(task) = self.lock().by_number.get(&number) {
            task.room.add_permits(count.min(UNTAKEN));
        }
    }

    /// Ends one.
    pub(crate) fn end(&self, number: u32) {
        if let Some(task) = self.lock().by_number.remove(&number) {
            task.handle.abort();
        }
    }

    /// Ends all: the page is gone.
    pub(crate) fn end_all(&self) {
        for (_, task) in self.lock().by_number.drain() {
            task.handle.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::TempDir;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn more_comes_only_for_what_the_page_takes() {
        let home = TempDir::new().unwrap();
        let followed = Followed::new(&HostPaths::at(home.path().into()).unwrap());
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let to = move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let number = followed.begin(to, |page: Pieces<u32>| async move {
            while page.send(1).await.is_ok() {}
        });
        let settle = async || {
            for _ in 0..100 {
                yield_now().await;
            }
            sent.load(Ordering::Relaxed)
        };
        assert_eq!(settle().await, UNTAKEN);
        followed.taken(number, 2);
        assert_eq!(settle().await, UNTAKEN + 2);
        followed.end(number);
        followed.taken(number, 1);
        assert_eq!(settle().await, UNTAKEN + 2);
    }
}
