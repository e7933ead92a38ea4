use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One setting as the daemon describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Setting {
    /// Dotted name, as `vm.cpus`.
    pub key: String,
    /// What is in force.
    pub value: Value,
    /// What it would be by default.
    pub default: Value,
    /// One sentence: meaning, unit, range.
    pub description: String,
    /// Whether a running VM takes it up only at its next start.
    pub needs_restart: bool,
}

/// A wish to change one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SettingChange {
    /// Dotted name.
    pub key: String,
    /// New value; null for the default.
    pub value: Value,
}

/// What became of the wishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SettingsChanged {
    /// The settings that changed.
    pub changed: Vec<Setting>,
    /// Whether the running VM must be restarted for some of them.
    pub restart_needed: bool,
}
