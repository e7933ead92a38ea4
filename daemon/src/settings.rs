//! The settings: a table of what exists ([`schema`]), a file that holds what differs from the
//! defaults ([`file`]), and the values that follow.
//!
//! The file is the truth: it is read again before each use, so that it may be edited by hand
//! while the daemon runs. A broken one is refused and never rewritten.

mod engine_config;
mod file;
mod ignored;
mod ports;
mod proxy;
mod registry;
mod schema;
mod shares;
mod url;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode, Setting, SettingChange};
use serde_json::{Map, Value};

use crate::idle::Idle;
use file::Stored;

pub use proxy::Proxies;
pub use schema::HostFacts;

/// Why settings could not be read or changed; each is one sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file is not what it should be; names file, line and remedy.
    #[error("{0}")]
    File(String),
    /// A wish cannot be granted.
    #[error("{0}")]
    Change(String),
    /// The file could not be read or written.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        let code = match error {
            SettingsError::File(_) | SettingsError::Change(_) => ErrorCode::InvalidInput,
            SettingsError::Io { verb, path, source } => {
                return Self::host(format!("cannot {verb} {}", path.display()), &source);
            }
        };
        Self::new(code, error.to_string())
    }
}

/// The values in force.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Virtual CPUs.
    pub(crate) cpus: u32,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// Size of the data disk in GiB.
    pub(crate) disk_gib: u64,
    /// Shared folders; each existed when it was set, and may be gone now.
    pub(crate) shares: Vec<PathBuf>,
    /// Patterns of what no file events are raised for.
    pub(crate) ignored: Vec<String>,
    /// The host's address for ports that name none; none for all.
    pub(crate) publish_on: Option<IpAddr>,
    /// When the VM is paused.
    pub(crate) idle: Idle,
    /// The engine's `daemon.json`, as far as settings say something of it.
    pub(crate) engine: Map<String, Value>,
    /// Files with the certificate authorities of registries, which may be gone now.
    pub(crate) registry_ca: BTreeMap<String, PathBuf>,
    /// The values as they are stored that a VM takes up at its start, by key.
    for_start: BTreeMap<&'static str, Value>,
    /// Keys of the file that this version does not know.
    pub(crate) unknown: Vec<String>,
}

impl Settings {
    /// Whether a VM of the other settings would be the same.
    pub(crate) fn is_same_machine(&self, other: &Self) -> bool {
        let part = |settings: &Self| {
            (
                settings.cpus,
                settings.memory_mib,
                settings.disk_gib,
                settings.shares.clone(),
                settings.engine.clone(),
                settings.registry_ca.clone(),
            )
        };
        part(self) == part(other)
    }

    /// Keys of what a VM that was started with these settings does not have of newer ones, in the table's order.
    pub(crate) fn changed_for_restart(&self, newer: &Self) -> Vec<String> {
        schema::ENTRIES
            .iter()
            .map(|entry| entry.key)
            .filter(|key| self.for_start.get(key) != newer.for_start.get(key))
            .map(str::to_owned)
            .collect()
    }
}

/// The settings of one state folder.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    file: PathBuf,
    facts: HostFacts,
}

impl Store {
    /// The settings in `file`, which need not exist.
    pub(crate) fn new(file: PathBuf, facts: HostFacts) -> Self {
        Self { file, facts }
    }

    /// The values in force now.
    pub(crate) fn load(&self) -> Result<Settings, SettingsError> {
        Ok(self.values(&file::read(&self.file, &self.facts)?))
    }

    /// The values of a text that is not in the file.
    pub(crate) fn parse(&self, text: &str) -> Result<Settings, SettingsError> {
        Ok(self.values(&file::parse(&self.file, text, &self.facts)?))
    }

    /// Every setting with its description.
    pub(crate) fn list(&self) -> Result<Vec<Setting>, SettingsError> {
        let stored = file::read(&self.file, &self.facts)?;
        Ok(schema::ENTRIES
            .iter()
            .map(|entry| self.describe(entry, &stored))
            .collect())
    }

    /// Grants all wishes or none; returns the settings whose value is another one now.
    pub(crate) fn change(&self, wishes: &[SettingChange]) -> Result<Vec<Setting>, SettingsError> {
        let (before, after) = self.with(wishes)?;
        if after != before {
            file::write(&self.file, after.clone())?;
        }
        Ok(schema::ENTRIES
            .iter()
            .filter(|entry| self.value(entry, &before) != self.value(entry, &after))
            .map(|entry| self.describe(entry, &after))
            .collect())
    }

    /// The values as they would be with all wishes granted.
    pub(crate) fn would_be(&self, wishes: &[SettingChange]) -> Result<Settings, SettingsError> {
        let (_, after) = self.with(wishes)?;
        Ok(self.values(&after))
    }

    /// What is stored, and what would be with all wishes granted.
    fn with(&self, wishes: &[SettingChange]) -> Result<(Stored, Stored), SettingsError> {
        let before = file::read(&self.file, &self.facts)?;
        let mut after = before.clone();
        for wish in wishes {
            let entry = schema::find(&wish.key).ok_or_else(|| {
                SettingsError::Change(format!(
                    "there is no setting {}: `coracle config list` shows them all",
                    wish.key
                ))
            })?;
            if wish.value.is_null() {
                after.shift_remove(entry.key);
            } else {
                after.insert(entry.key.into(), wish.value.clone());
            }
            let value = self.value(entry, &after);
            (entry.check)(&value, &self.facts)
                .and_then(|()| (entry.check_change)(&value, &self.facts))
                .map_err(|why| SettingsError::Change(format!("{} {why}", entry.key)))?;
        }
        Ok((before, after))
    }

    fn value(&self, entry: &schema::Entry, stored: &Map<String, Value>) -> Value {
        stored
            .get(entry.key)
            .cloned()
            .unwrap_or_else(|| (entry.default)(&self.facts))
    }

    fn describe(&self, entry: &schema::Entry, stored: &Map<String, Value>) -> Setting {
        Setting {
            key: entry.key.into(),
            value: self.value(entry, stored),
            default: (entry.default)(&self.facts),
            description: (entry.description)(&self.facts),
            needs_restart: entry.needs_restart,
        }
    }

    /// `stored` has been checked: every known key has a fitting value.
    fn values(&self, stored: &Map<String, Value>) -> Settings {
        let value = |key| {
            let entry = schema::find(key).expect("the key is in the table");
            self.value(entry, stored)
        };
        let number = |key| value(key).as_u64().expect("the value was checked");
        let seconds = |key| {
            Some(number(key))
                .filter(|s| *s > 0)
                .map(Duration::from_secs)
        };
        let text = |key| value(key).as_str().unwrap_or_default().to_owned();
        Settings {
            cpus: number(schema::CPUS) as u32,
            memory_mib: number(schema::MEMORY),
            disk_gib: number(schema::DISK),
            shares: shares::paths(&value(schema::SHARES)).expect("the value was checked"),
            ignored: ignored::patterns(&value(schema::IGNORED)).expect("the value was checked"),
            publish_on: ports::address(&value(schema::PUBLISH_ON)).expect("the value was checked"),
            idle: Idle {
                after: seconds(schema::PAUSE_AFTER),
                suspend_after: seconds(schema::SUSPEND_AFTER),
                cpu_percent: number(schema::CPU_PERCENT),
            },
            engine: engine_config::complete(
                value(schema::ENGINE),
                &Proxies {
                    http: text(schema::HTTP_PROXY),
                    https: text(schema::HTTPS_PROXY),
                    no_proxy: text(schema::NO_PROXY),
                },
                registry::texts(&value(schema::INSECURE)),
                registry::mirrors_for_guest(&value(schema::MIRRORS)),
            ),
            registry_ca: registry::authorities(&value(schema::AUTHORITIES))
                .expect("the value was checked"),
            for_start: schema::ENTRIES
                .iter()
                .filter(|entry| entry.needs_restart)
                .map(|entry| (entry.key, self.value(entry, stored)))
                .collect(),
            unknown: stored
                .keys()
                .filter(|key| schema::find(key).is_none())
                .cloned()
                .collect(),
        }
    }
}

/// Whether a share can be used now; a sentence if not.
pub(crate) fn check_share_exists(path: &std::path::Path) -> Result<(), String> {
    shares::exists(path)
}

/// The text of a file of certificate authorities; a sentence's end if it cannot be used now.
pub(crate) fn certificates(file: &std::path::Path) -> Result<String, String> {
    registry::certificates(file)
}

/// The keys of [`StartOptions`](coracle_daemon_api::StartOptions), in its order.
pub(crate) const SIZES: [&str; 3] = [schema::CPUS, schema::MEMORY, schema::DISK];

#[cfg(test)]
mod tests;
