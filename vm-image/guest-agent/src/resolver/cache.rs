//! The host's answers, each kept for seconds and asked for once however many want it. They end with the
//! connection to the host: after a resume it may be in another network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coracle_guest_api::mux::Opener;
use coracle_guest_api::resolve::{Lookup, Resolution};
use coracle_guest_api::{StreamHeader, message};
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, timeout};

/// How long an answer is good.
const KEPT: Duration = Duration::from_secs(super::wire::TTL as u64);

/// How many are kept.
const MOST: usize = 1024;

/// How long the host may take. Clients ask again after five seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// Asks the host, and remembers.
pub(super) struct Cache {
    openers: watch::Receiver<Option<Opener>>,
    kept: Mutex<Kept>,
}

struct Kept {
    /// Changed since the entries were asked for, or not.
    openers: watch::Receiver<Option<Opener>>,
    entries: HashMap<Lookup, Entry>,
}

#[derive(Clone)]
struct Entry {
    since: Instant,
    answer: Arc<OnceCell<Resolution>>,
}

impl Cache {
    /// An empty one.
    pub(super) fn new(openers: watch::Receiver<Option<Opener>>) -> Self {
        let kept = Kept {
            openers: openers.clone(),
            entries: HashMap::new(),
        };
        Self {
            openers,
            kept: Mutex::new(kept),
        }
    }

    /// The host's answer, at most some seconds old.
    pub(super) async fn get(&self, lookup: Lookup) -> Resolution {
        let entry = self.entry(&lookup);
        let answer = entry.answer.get_or_init(|| self.ask(&lookup)).await.clone();
        if answer == Resolution::Unavailable {
            let mut kept = self.lock();
            if kept
                .entries
                .get(&lookup)
                .is_some_and(|now| Arc::ptr_eq(&now.answer, &entry.answer))
            {
                kept.entries.remove(&lookup);
            }
        }
        answer
    }

    fn entry(&self, lookup: &Lookup) -> Entry {
        let now = Instant::now();
        let mut kept = self.lock();
        let Kept { openers, entries } = &mut *kept;
        // An error is the agent's own end.
        if openers.has_changed().unwrap_or(false) {
            openers.mark_unchanged();
            entries.clear();
        }
        if let Some(entry) = entries.get(lookup)
            && now - entry.since < KEPT
        {
            return entry.clone();
        }
        if entries.len() >= MOST {
            entries.retain(|_, entry| now - entry.since < KEPT);
        }
        if entries.len() >= MOST {
            entries.clear();
        }
        let entry = Entry {
            since: now,
            answer: Arc::default(),
        };
        entries.insert(lookup.clone(), entry.clone());
        entry
    }

    async fn ask(&self, lookup: &Lookup) -> Resolution {
        let Some(opener) = self.openers.borrow().clone() else {
            return Resolution::Unavailable;
        };
        let header = StreamHeader::Resolve {
            lookup: lookup.clone(),
        };
        let asked = timeout(ANSWER_WITHIN, async {
            let (mut stream, _) = opener.open(&header).await.ok()?;
            message::expect(&mut stream).await.ok()
        });
        asked
            .await
            .ok()
            .flatten()
            .unwrap_or(Resolution::Unavailable)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
