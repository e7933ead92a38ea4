//! What the page follows, each in a task of its own that ends with its number or with the page.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coracle_daemon_api::Client;
use coracle_host_paths::HostPaths;
use tokio::task::AbortHandle;

use crate::engine::Engine;

/// The tasks that go on now, and whom they ask.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) client: Client,
    pub(crate) engine: Engine,
    tasks: Mutex<(u32, HashMap<u32, AbortHandle>)>,
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
    pub(crate) fn begin(&self, task: impl Future<Output = ()> + Send + 'static) -> u32 {
        let task = tokio::spawn(task);
        let mut tasks = self.lock();
        tasks.0 = tasks.0.wrapping_add(1);
        let number = tasks.0;
        tasks.1.retain(|_, task| !task.is_finished());
        tasks.1.insert(number, task.abort_handle());
        number
    }

    /// Ends one.
    pub(crate) fn end(&self, number: u32) {
        if let Some(task) = self.lock().1.remove(&number) {
            task.abort();
        }
    }

    /// Ends all: the page is gone.
    pub(crate) fn end_all(&self) {
        for (_, task) in self.lock().1.drain() {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u32, HashMap<u32, AbortHandle>)> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
