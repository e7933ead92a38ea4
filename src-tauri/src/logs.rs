//! Logs that the page follows.

use coracle_daemon_api::{ApiError, Client};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::controller::failed;
use crate::engine::Engine;
use crate::letters::Letters;

/// Pieces of a container's log that go to the page as one.
const TOGETHER: usize = 512;

/// A longer line comes in pieces, in bytes: what never ends one would be kept for ever.
const LONGEST: usize = 64 << 10;

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
    /// Whole lines, or a piece of a very long one.
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

/// Sends a log until `to` fails.
pub(crate) async fn follow(
    client: Client,
    engine: Engine,
    source: LogSource,
    to: impl Fn(LogPiece) -> Result<(), ApiError> + Send + Sync + 'static,
) {
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
    /// The whole lines that there are with these bytes, or what there is of one that is too long.
    fn whole(&mut self, bytes: &[u8]) -> Option<String> {
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.pending.split_off(before + end + 1);
            let lines = std::mem::replace(&mut self.pending, rest);
            return Some(String::from_utf8_lossy(&lines).into_owned());
        }
        if self.pending.len() < LONGEST {
            return None;
        }
        let mut letters = Letters::default();
        let text = letters.whole(&self.pending);
        self.pending = letters.torn();
        Some(text)
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
    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let piece = "€".repeat(1000);
        let mut shown = String::new();
        // One byte more, so that a letter is torn at the bound.
        assert_eq!(lines.whole(b"x"), None);
        for _ in 0..100 {
            shown.extend(lines.whole(&piece.as_bytes()[..2999]));
            shown.extend(lines.whole(&piece.as_bytes()[2999..]));
            assert!(lines.pending.len() < LONGEST);
        }
        shown.extend(lines.whole(b"\n"));
        assert_eq!(shown, format!("x{}\n", piece.repeat(100)));
    }
}
