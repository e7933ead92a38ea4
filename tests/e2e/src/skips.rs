use anyhow::{Result, ensure};
use serde::Deserialize;

/// Ends a test that cannot say anything here; it passes only when its entry in `skips.toml` allows it.
#[derive(Debug, thiserror::Error)]
#[error("skipped: {0}")]
pub(crate) struct Skip(pub(crate) String);

/// The list of tests that may skip themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skips {
    #[serde(default)]
    skip: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    test: String,
    reason: String,
}

impl Skips {
    /// The list; fails when an entry names no test or gives no reason.
    pub(crate) fn load(tests: &[String]) -> Result<Self> {
        let skips: Self = toml::from_str(include_str!("../skips.toml"))?;
        for entry in &skips.skip {
            ensure!(
                tests.contains(&entry.test),
                "skips.toml: there is no test {}",
                entry.test
            );
            ensure!(
                !entry.reason.trim().is_empty(),
                "skips.toml: {} has no reason",
                entry.test
            );
        }
        Ok(skips)
    }

    /// Why this test may skip itself, if it may.
    pub(crate) fn reason(&self, test: &str) -> Option<&str> {
        let entry = self.skip.iter().find(|entry| entry.test == test)?;
        Some(&entry.reason)
    }
}
