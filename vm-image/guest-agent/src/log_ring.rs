//! The last lines of a log, bounded in memory, with followers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// How many bytes of lines a ring keeps.
const MAX_BYTES: usize = 512 << 10;

/// Longer lines are cut into pieces of this many bytes.
const MAX_LINE: usize = 8 << 10;

/// A bounded log. Lines are numbered from 0 in the order of their arrival.
pub(crate) struct LogRing {
    kept: Mutex<Kept>,
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    /// Number of the oldest line that is kept.
    first: u64,
}

impl LogRing {
    /// An empty ring.
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            next: watch::Sender::new(0),
        }
    }

    /// Adds a line (without its newline), dropping the oldest ones beyond the bound.
    pub(crate) fn push(&self, line: String) {
        let mut kept = self.lock();
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.bytes > MAX_BYTES
            && let Some(oldest) = kept.lines.pop_front()
        {
            kept.bytes -= oldest.len();
            kept.first += 1;
        }
        let next = kept.first + kept.lines.len() as u64;
        drop(kept);
        self.next.send_replace(next);
    }

    /// The last `count` lines.
    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        let kept = self.lock();
        let skipped = kept.lines.len().saturating_sub(count);
        kept.lines.iter().skip(skipped).cloned().collect()
    }

    /// The kept lines from number `from` on, and the number to ask for next.
    pub(crate) fn since(&self, from: u64) -> (Vec<String>, u64) {
        let kept = self.lock();
        let skipped = from.saturating_sub(kept.first) as usize;
        let lines = kept.lines.iter().skip(skipped).cloned().collect();
        (lines, kept.first + kept.lines.len() as u64)
    }

    /// Changes whenever a line arrives.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// Adds the lines of `output` until it ends.
    pub(crate) async fn record(&self, mut output: impl AsyncRead + Unpin) {
        let mut pending = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut chunk).await {
            for byte in &chunk[..length] {
                if *byte != b'\n' {
                    pending.push(*byte);
                }
                if *byte == b'\n' || pending.len() == MAX_LINE {
                    self.push(String::from_utf8_lossy(&pending).into_owned());
                    pending.clear();
                }
            }
        }
        if !pending.is_empty() {
            self.push(String::from_utf8_lossy(&pending).into_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_split_numbered_and_cut() {
        let ring = LogRing::new();
        let long = "x".repeat(MAX_LINE + 1);
        ring.record(format!("a\n\n{long}\nend").as_bytes()).await;
        let (lines, next) = ring.since(0);
        assert_eq!(lines[..2], ["a", ""]);
        assert_eq!(lines[2].len(), MAX_LINE);
        assert_eq!(lines[3..], ["x", "end"]);
        assert_eq!(next, 5);
        assert_eq!(ring.since(4).0, ["end"]);
        assert_eq!(ring.last(2), ["x", "end"]);
        assert!(ring.since(5).0.is_empty());
    }

    #[test]
    fn the_oldest_lines_go_first() {
        let ring = LogRing::new();
        let count = 2 * MAX_BYTES / 1000;
        for i in 0..count {
            ring.push(format!("{i:01000}"));
        }
        let (lines, next) = ring.since(0);
        assert_eq!(next, count as u64);
        assert_eq!(lines.len(), MAX_BYTES / 1000);
        assert_eq!(lines.last().unwrap(), &format!("{:01000}", count - 1));
        // A follower that fell behind goes on with the oldest line there is.
        let oldest = next - lines.len() as u64;
        assert_eq!(ring.since(oldest + 1).0.len(), lines.len() - 1);
    }
}
