//! Logs that the page follows.

use std::pin::pin;
use std::time::Duration;

use coracle_daemon_api::{ApiError, Client};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::controller::failed;
use crate::engine::Engine;
use crate::followed::Pieces;
use crate::letters::Letters;

/// Pieces of a log that come within this go to the page as one: shorter than a person sees.
const TOGETHER: Duration = Duration::from_millis(30);

/// Bytes that go to the page as one, about.
const MOST: usize = 256 << 10;

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

/// Sends a log until it ends or the page is gone.
pub(crate) async fn follow(
    client: Client,
    engine: Engine,
    source: LogSource,
    page: Pieces<LogPiece>,
) {
    let mut log = Log {
        lines: Lines::default(),
        page,
    };
    let ended = match source {
        LogSource::Daemon => log.of_host(&client, "daemon").await,
        LogSource::Vm => log.of_host(&client, "vm").await,
        LogSource::Engine => log.of_host(&client, "engine").await,
        LogSource::Container { id } => log.of_container(&engine, &id).await,
    };
    // A page that is gone needs no end.
    if let Some(text) = log.lines.rest() {
        let _ = log.page.send(LogPiece::Text { text }).await;
    }
    let error = ended.err().map(|error| error.message);
    let _ = log.page.send(LogPiece::End { error }).await;
}

struct Log {
    lines: Lines,
    page: Pieces<LogPiece>,
}

impl Log {
    async fn of_host(&mut self, client: &Client, source: &str) -> Result<(), ApiError> {
        let bytes = client.logs(source, true).await.map_err(|e| failed(&e))?;
        let pieces = stream::try_unfold(bytes, async |mut bytes| {
            let piece = bytes.next().await.map_err(|e| failed(&e))?;
            Ok(piece.map(|piece| (piece.to_vec(), bytes)))
        });
        self.pass(pieces).await
    }

    async fn of_container(&mut self, engine: &Engine, id: &str) -> Result<(), ApiError> {
        self.pass(engine.logs(id)?).await
    }

    /// What comes shortly after a piece goes to the page with it.
    async fn pass(
        &mut self,
        pieces: impl Stream<Item = Result<Vec<u8>, ApiError>>,
    ) -> Result<(), ApiError> {
        let mut pieces = pin!(pieces.fuse());
        while let Some(piece) = pieces.next().await {
            let mut bytes = piece?;
            let until = Instant::now() + TOGETHER;
            let mut ended = Ok(());
            while bytes.len() < MOST
                && ended.is_ok()
                && let Ok(Some(piece)) = timeout_at(until, pieces.next()).await
            {
                ended = piece.map(|piece| bytes.extend(piece));
            }
            // What came before the end is not lost with it.
            self.send(&bytes).await?;
            ended?;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        match self.lines.whole(bytes) {
            Some(text) => self.page.send(LogPiece::Text { text }).await,
            None => Ok(()),
        }
    }
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
    use tokio::sync::mpsc;

    use super::*;
    use crate::followed::Followed;

    #[tokio::test]
    async fn what_came_before_a_failure_is_shown() {
        let home = tempfile::tempdir().unwrap();
        let paths = coracle_host_paths::HostPaths::at(home.path().into()).unwrap();
        let followed = Followed::new(&paths);
        let (told, mut hears) = mpsc::unbounded_channel();
        let to = move |piece: LogPiece| {
            told.send(piece).ok();
            Ok(())
        };
        followed.begin(to, async |page| {
            let gone = ApiError::new(coracle_daemon_api::ErrorCode::Host, "gone");
            let pieces = [Ok(b"one\n".to_vec()), Ok(b"two\n".to_vec()), Err(gone)];
            let mut log = Log {
                lines: Lines::default(),
                page,
            };
            log.pass(stream::iter(pieces)).await.unwrap_err();
        });
        let text = "one\ntwo\n".to_owned();
        assert_eq!(hears.recv().await, Some(LogPiece::Text { text }));
    }

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
