//! What the parts of the agent share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use coracle_guest_api::BootConfig;
use coracle_guest_api::mux::Opener;
use coracle_guest_api::status::EngineState;
use coracle_guest_api::stream::GuestLog;
use tokio::sync::{Notify, watch};

use crate::debug;
use crate::early::EarlyBoot;
use crate::log_ring::LogRing;
use crate::reaper::Reaper;
use crate::recall::Recall;
use crate::suspension::Suspending;

/// The guest, as its parts know it.
pub(crate) struct Guest {
    /// What the daemon asked for.
    pub(crate) config: BootConfig,
    /// Version of the image.
    pub(crate) image_version: String,
    /// The only way to start a process.
    pub(crate) reaper: Arc<Reaper>,
    /// The logs that are kept.
    pub(crate) logs: Logs,
    /// State of the engine.
    pub(crate) engine: watch::Sender<EngineState>,
    /// Why the engine runs with the configuration before, in its own words.
    pub(crate) engine_refused: OnceLock<String>,
    /// Why there will be no engine until the next boot, in one sentence.
    pub(crate) no_engine: OnceLock<String>,
    /// What keeps the guest from being whole.
    pub(crate) degraded: Degraded,
    /// Paths of the shares that are mounted.
    pub(crate) shares: Mutex<Vec<String>>,
    /// Opens streams to the daemon; `None` while there is no transport.
    pub(crate) opener: watch::Sender<Option<Opener>>,
    /// Python processes that serve debuggers.
    pub(crate) python: debug::python::Ports,
    /// Debuggers and what they debug.
    pub(crate) debug_sessions: debug::sessions::Sessions,
    /// Asks for the end of the VM.
    pub(crate) power_off: Notify,
    /// Asks for the transport to be left.
    pub(crate) suspending: Suspending,
    /// Calls back to it.
    pub(crate) recall: Recall,
}

/// One ring per program.
#[derive(Clone)]
pub(crate) struct Logs {
    /// The agent's.
    pub(crate) agent: Arc<LogRing>,
    /// containerd's.
    pub(crate) containerd: Arc<LogRing>,
    /// dockerd's.
    pub(crate) engine: Arc<LogRing>,
}

impl Logs {
    /// Empty ones.
    pub(crate) fn new() -> Self {
        let ring = || Arc::new(LogRing::new());
        Self {
            agent: ring(),
            containerd: ring(),
            engine: ring(),
        }
    }

    /// The ring of `log`.
    pub(crate) fn ring(&self, log: GuestLog) -> &Arc<LogRing> {
        match log {
            GuestLog::Agent => &self.agent,
            GuestLog::Containerd => &self.containerd,
            GuestLog::Engine => &self.engine,
        }
    }
}

impl Guest {
    /// A guest of which nothing is up yet.
    pub(crate) fn new(boot: EarlyBoot, reaper: Arc<Reaper>, logs: Logs) -> Self {
        Self {
            config: boot.config,
            image_version: boot.image_version,
            reaper,
            logs,
            engine: watch::Sender::new(EngineState::Starting),
            engine_refused: OnceLock::new(),
            no_engine: OnceLock::new(),
            degraded: Degraded::default(),
            shares: Mutex::default(),
            opener: watch::Sender::new(None),
            python: debug::python::Ports::default(),
            debug_sessions: debug::sessions::Sessions::default(),
            power_off: Notify::new(),
            suspending: Suspending::default(),
            recall: Recall::default(),
        }
    }

    /// Says that the engine cannot be started, and why.
    pub(crate) fn give_up_engine(&self, about: &str, sentence: String) {
        // The first reason is the one that matters.
        let _ = self.no_engine.set(sentence.clone());
        self.degraded.set(about, sentence);
    }

    /// Paths of the shares that are mounted.
    pub(crate) fn share_paths(&self) -> Vec<String> {
        self.shares
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A set of sentences, each under the name of what it is about.
#[derive(Default)]
pub(crate) struct Degraded(watch::Sender<BTreeMap<String, String>>);

impl Degraded {
    /// Says what is wrong with `about`, instead of what was said of it before.
    pub(crate) fn set(&self, about: impl Into<String>, sentence: impl Into<String>) {
        let (about, sentence) = (about.into(), sentence.into());
        self.0.send_if_modified(|all| {
            if all.get(&about) == Some(&sentence) {
                return false;
            }
            tracing::warn!("degraded: {sentence}");
            all.insert(about, sentence);
            true
        });
    }

    /// Nothing is wrong with `about` any more.
    pub(crate) fn clear(&self, about: &str) {
        self.0.send_if_modified(|all| all.remove(about).is_some());
    }

    /// All sentences now.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.0.borrow().values().cloned().collect()
    }

    /// Changes with every sentence that comes or goes.
    pub(crate) fn changes(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_told_once_and_taken_back() {
        let degraded = Degraded::default();
        let mut changes = degraded.changes();
        degraded.set("disk", "It is damaged.");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        degraded.set("disk", "It is damaged.");
        degraded.clear("network");
        assert!(!changes.has_changed().unwrap());
        degraded.set("disk", "It is gone.");
        assert_eq!(degraded.sentences(), ["It is gone."]);
        degraded.clear("disk");
        assert!(degraded.sentences().is_empty());
    }
}
