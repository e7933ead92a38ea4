use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use crate::Problems;
use crate::ignored::Ignored;
use crate::queue::Queue;
use crate::roots::Root;

/// There is none for this system yet.
pub(crate) enum Watcher {}

impl Watcher {
    /// Always an error.
    pub(crate) fn start(
        _: Arc<Queue>,
        _: Arc<watch::Sender<Problems>>,
        _: Ignored,
    ) -> io::Result<Self> {
        Err(io::Error::other(
            "this host's changes cannot be watched yet",
        ))
    }

    pub(crate) async fn watch(&self, _: Vec<Root>, _: bool) {
        match *self {}
    }
}
