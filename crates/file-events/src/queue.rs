//! What has been seen and not yet sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use coracle_guest_api::file_events::{FileEvent, FileEventKind, MAX_BATCH, Place};
use tokio::sync::Notify;

use crate::roots::Share;

/// More than this is told as an overflow: watching programs would lose them too.
const MOST: usize = 16 << 10;

/// Records of a batch together, in bytes; room is left for what precedes them.
const BATCH: usize = MAX_BATCH / 4;

/// Filled by the watcher, emptied by the sender.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Change>,
    /// Whose events were lost and who has not been told so.
    overflowed: Vec<Arc<Share>>,
}

#[derive(Debug)]
struct Change {
    share: Arc<Share>,
    event: FileEvent,
    seen: Instant,
}

/// Events of one share, in order.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) share: Arc<Share>,
    pub(crate) events: Vec<FileEvent>,
    /// When the first was seen.
    pub(crate) seen: Instant,
}

impl Queue {
    /// Adds what was seen just now. The same twice in a row counts once.
    pub(crate) fn push(&self, share: &Arc<Share>, event: FileEvent) {
        let mut waiting = self.lock();
        // Whoever is told of the overflow looks at everything afterwards.
        if waiting.overflowed.contains(share) {
            return;
        }
        if let Some(last) = waiting.changes.back()
            && last.event == event
            && last.share == *share
        {
            return;
        }
        if waiting.changes.len() >= MOST {
            waiting.lose(share);
        } else {
            waiting.changes.push_back(Change {
                share: share.clone(),
                event,
                seen: Instant::now(),
            });
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Events of the share were lost.
    pub(crate) fn overflow(&self, share: &Arc<Share>) {
        self.lock().lose(share);
        self.filled.notify_one();
    }

    /// Takes what can be sent at once; waits until there is something.
    pub(crate) async fn take(&self) -> Taken {
        loop {
            if let Some(taken) = self.lock().take() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    #[cfg(test)]
    pub(crate) fn take_now(&self) -> Option<Taken> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn lose(&mut self, share: &Arc<Share>) {
        self.changes.retain(|change| change.share != *share);
        if !self.overflowed.contains(share) {
            self.overflowed.push(share.clone());
        }
    }

    fn take(&mut self) -> Option<Taken> {
        if let Some(share) = self.overflowed.pop() {
            return Some(Taken {
                share,
                events: vec![FileEvent::new(FileEventKind::Overflow, Place::default())],
                seen: Instant::now(),
            });
        }
        let Change { share, event, seen } = self.changes.pop_front()?;
        let mut bytes = event.encoded_len();
        let mut events = vec![event];
        while let Some(next) = self.changes.front() {
            bytes += next.event.encoded_len();
            if next.share != share || bytes > BATCH {
                break;
            }
            events.extend(self.changes.pop_front().map(|change| change.event));
        }
        Some(Taken {
            share,
            events,
            seen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(name: &str) -> Arc<Share> {
        Arc::new(Share {
            guest: name.into(),
            host: name.into(),
        })
    }

    fn modify(name: &str) -> FileEvent {
        let place = Place {
            dir: vec![],
            name: name.into(),
        };
        FileEvent::new(FileEventKind::Modify, place)
    }

    fn taken(queue: &Queue) -> Option<(String, usize)> {
        let taken = queue.lock().take()?;
        Some((taken.share.guest.clone(), taken.events.len()))
    }

    #[test]
    fn neighbours_that_are_the_same_are_one_and_the_order_stays() {
        let (queue, a, b) = (Queue::default(), share("a"), share("b"));
        for (share, name) in [
            (&a, "x"),
            (&a, "x"),
            (&a, "y"),
            (&a, "x"),
            (&b, "x"),
            (&a, "x"),
        ] {
            queue.push(share, modify(name));
        }
        let expected = [("a", 3), ("b", 1), ("a", 1)];
        for (name, count) in expected {
            assert_eq!(taken(&queue), Some((name.into(), count)));
        }
        assert_eq!(taken(&queue), None);
    }

    #[test]
    fn too_much_becomes_one_overflow_of_that_share() {
        let (queue, a, b) = (Queue::default(), share("a"), share("b"));
        queue.push(&b, modify("kept"));
        for i in 0..=MOST {
            queue.push(&a, modify(&format!("file {i}")));
        }
        let first = queue.lock().take().unwrap();
        assert_eq!(first.events[0].kind, FileEventKind::Overflow);
        assert_eq!(first.share, a);
        assert_eq!(taken(&queue), Some(("b".into(), 1)));
        // After it was told, what happens counts again.
        queue.push(&a, modify("later"));
        assert_eq!(taken(&queue), Some(("a".into(), 1)));
    }

    #[test]
    fn batches_stay_below_the_limit() {
        let (queue, a) = (Queue::default(), share("a"));
        for i in 0..1000 {
            queue.push(&a, modify(&format!("{i}{}", "x".repeat(240))));
        }
        let mut total = 0;
        while let Some(taken) = queue.lock().take() {
            let bytes: usize = taken.events.iter().map(FileEvent::encoded_len).sum();
            assert!(bytes <= BATCH);
            total += taken.events.len();
        }
        assert_eq!(total, 1000);
    }
}
