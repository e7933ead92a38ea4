//! What the page follows, each in a task of its own; of that the logs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coracle_daemon_api::{ApiError, Client};
use coracle_host_paths::HostPaths;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use crate::controller::failed;
use crate::engine::Engine;

/// Pieces of a container's log that go to the page as one.
const TOGETHER: usize = 512;

/// Whose log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum LogSource {
    /// The daemon's.
    Daemon,
    /// The VM's console.
    Vm,
    /// The engine's.
    Engine,
    /// A container's.
    Container {
        /// The engine's id.
        id: String,
    },
}

/// What the page gets of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "piece")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum LogPiece {
    /// Whole lines.
    Text {
        /// With their line ends.
        text: String,
    },
    /// Nothing more comes.
    End {
        /// Why, if it is not as it should be.
        error: Option<String>,
    },
}

/// What is followed now, and whom it is asked of.
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

    /// Sends a log until `to` fails or [`end`](Self::end) gets the number.
    pub(crate) fn begin(
        &self,
        source: LogSource,
        to: impl Fn(LogPiece) -> Result<(), ApiError> + Send + Sync + 'static,
    ) -> u32 {
        let (client, engine) = (self.client.clone(), self.engine.clone());
        self.spawn(async move {
            let mut lines = Lines::default();
            let mut send = |bytes: &[u8]| match lines.whole(bytes) {
                Some(text) => to(LogPiece::Text { text }).is_ok(),
                None => true,
            };
            let ended = match source {
                LogSource::Daemon => host_log(&client, "daemon", &mut send).await,
                LogSource::Vm => host_log(&client, "vm", &mut send).await,
                LogSource::Engine => host_log(&client, "engine", &mut send).await,
                LogSource::Container { id } => container_log(&engine, &id, &mut send).await,
            };
            if let Some(text) = lines.rest() {
                let _ = to(LogPiece::Text { text });
            }
            let error = ended.err().map(|error| error.message);
            let _ = to(LogPiece::End { error });
        })
    }

    /// Goes on until it ends by itself or [`end`](Self::end) gets the number.
    pub(crate) fn spawn(&self, follow: impl Future<Output = ()> + Send + 'static) -> u32 {
        let task = tauri::async_runtime::spawn(follow);
        let mut tasks = self.lock();
        tasks.0 = tasks.0.wrapping_add(1);
        let number = tasks.0;
        tasks.1.retain(|_, task| !task.is_finished());
        tasks.1.insert(number, task.inner().abort_handle());
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

async fn host_log(
    client: &Client,
    source: &str,
    send: &mut (impl FnMut(&[u8]) -> bool + Send),
) -> Result<(), ApiError> {
    let followed = client.logs(source, true, send).await;
    followed.map_err(|error| failed(&error))
}

async fn container_log(
    engine: &Engine,
    id: &str,
    send: &mut (impl FnMut(&[u8]) -> bool + Send),
) -> Result<(), ApiError> {
    let mut pieces = engine.logs(id)?.ready_chunks(TOGETHER);
    while let Some(together) = pieces.next().await {
        let mut bytes = Vec::new();
        for piece in together {
            bytes.extend(piece?);
        }
        if !send(&bytes) {
            break;
        }
    }
    Ok(())
}

/// Cuts bytes into whole lines, so that no letter is torn.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// The whole lines that there are with these bytes.
    fn whole(&mut self, bytes: &[u8]) -> Option<String> {
        self.pending.extend_from_slice(bytes);
        let end = self.pending.iter().rposition(|byte| *byte == b'\n')?;
        let lines: Vec<u8> = self.pending.drain(..=end).collect();
        Some(String::from_utf8_lossy(&lines).into_owned())
    }

    /// What has no line end.
    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_is_torn() {
        let mut lines = Lines::default();
        let text = "grün\nblau".as_bytes();
        assert_eq!(lines.whole(&text[..3]), None);
        assert_eq!(lines.whole(&text[3..]).as_deref(), Some("grün\n"));
        assert_eq!(lines.rest().as_deref(), Some("blau"));
        assert_eq!(lines.rest(), None);
    }
}
