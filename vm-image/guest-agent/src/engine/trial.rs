//! A configuration with which the engine has not come up yet.
//!
//! dockerd looks at its file when it starts. When it ends over it, the file is replaced by the one with which it last
//! came up, and the next of its starts takes that: a person's mistake must not take their containers away.

use coracle_guest_api::BootConfig;
use serde_json::{Map, Value};

use super::configuration;
use crate::guest::Guest;

/// How dockerd begins its last words when it does not take its file.
const NOT_TAKEN: &str = "unable to configure the Docker daemon with file ";

/// After so many ends in a row it is the configuration also when dockerd ends over something that follows from it.
const ENDS: u32 = 3;

/// Of one boot.
pub(super) struct Trial {
    /// What to go back to, as long as that has not been done and the engine has not come up.
    before: Option<Map<String, Value>>,
    ends: u32,
}

impl Trial {
    /// None where there is nothing to go back to.
    pub(super) fn of(config: &BootConfig) -> Self {
        Self {
            before: config.engine_before.clone(),
            ends: 0,
        }
    }

    /// The engine has come up.
    pub(super) fn passed(&mut self) {
        self.before = None;
    }

    /// dockerd has ended before that. Goes back if the configuration is the reason.
    pub(super) fn failed(&mut self, reason: &str, guest: &Guest) {
        let Some((before, words)) = self.verdict(reason) else {
            return;
        };
        match configuration::write_dockerd(&before, &guest.config.network) {
            Ok(_) => {
                tracing::warn!("the engine goes back to the configuration before: {words}");
                // It is the only time in this boot.
                let _ = guest.engine_refused.set(words);
            }
            Err(error) => {
                tracing::error!("the engine's configuration before was not written: {error}");
            }
        }
    }

    /// What to go back to now, and dockerd's words.
    fn verdict(&mut self, reason: &str) -> Option<(Map<String, Value>, String)> {
        self.ends += 1;
        let last = reason.lines().rfind(|line| !line.trim().is_empty())?.trim();
        let not_taken = last.strip_prefix(NOT_TAKEN);
        if not_taken.is_none() && self.ends < ENDS {
            return None;
        }
        let words = match not_taken.and_then(|rest| rest.split_once(": ")) {
            Some((_file, words)) => words,
            None => last,
        };
        Some((self.before.take()?, words.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        Trial {
            before: Some(Map::from_iter([("debug".into(), true.into())])),
            ends: 0,
        }
    }

    const REFUSED: &str = "dockerd ended with status 1. Its last lines:\n\
        unable to configure the Docker daemon with file /run/coracle/daemon.json: the following \
        directives don't match any configuration option: colour\n";

    #[test]
    fn a_file_that_is_not_taken_is_replaced_at_once_and_only_once() {
        let mut trial = trial();
        let (before, words) = trial.verdict(REFUSED).unwrap();
        assert_eq!(before["debug"], true);
        assert_eq!(
            words,
            "the following directives don't match any configuration option: colour"
        );
        assert_eq!(trial.verdict(REFUSED), None);
    }

    #[test]
    fn other_ends_count_when_they_go_on() {
        let mut trial = trial();
        let other = "dockerd ended with status 1. Its last lines:\n\
            failed to start daemon: error initializing graphdriver: driver not supported: zfs";
        assert_eq!(trial.verdict(other), None);
        assert_eq!(trial.verdict(other), None);
        let (_, words) = trial.verdict(other).unwrap();
        assert!(words.starts_with("failed to start daemon"), "{words}");
    }

    #[test]
    fn an_engine_that_was_up_keeps_its_configuration() {
        let mut trial = trial();
        trial.passed();
        for _ in 0..4 {
            assert_eq!(trial.verdict(REFUSED), None);
        }
    }
}
