//! The table of settings.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::disks;

use super::proxy::{self, Proxies};
use super::{engine_config, ignored, ports, registry, shares};

pub(super) const CPUS: &str = "vm.cpus";
pub(super) const MEMORY: &str = "vm.memory_mib";
pub(super) const DISK: &str = "vm.disk_gib";
pub(super) const SHARES: &str = "shares";
pub(super) const IGNORED: &str = "files.ignored";
pub(super) const PUBLISH_ON: &str = "ports.address";
pub(super) const PAUSE_AFTER: &str = "idle.pause_after_s";
pub(super) const SUSPEND_AFTER: &str = "idle.suspend_after_s";
pub(super) const CPU_PERCENT: &str = "idle.cpu_percent";
pub(super) const ENGINE: &str = "engine.config";
pub(super) const HTTP_PROXY: &str = "proxy.http";
pub(super) const HTTPS_PROXY: &str = "proxy.https";
pub(super) const NO_PROXY: &str = "proxy.no_proxy";
pub(super) const INSECURE: &str = "registry.insecure";
pub(super) const MIRRORS: &str = "registry.mirrors";
pub(super) const AUTHORITIES: &str = "registry.ca";

/// The least memory in MiB in which the engine is of use.
const MIN_MEMORY: u64 = 1024;
const MIN_DISK: u64 = 4;
const MAX_DISK: u64 = 16 << 10;
const MAX_IDLE: u64 = 7 * 24 * 3600;

/// What the defaults and ranges follow from.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The user's home folder.
    pub user_home: Option<PathBuf>,
    /// The daemon's own state folder.
    pub state: PathBuf,
    /// The data disk's file, which need not exist.
    pub data_disk: PathBuf,
    /// The host's proxies.
    pub proxies: Proxies,
}

/// One setting.
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) default: fn(&HostFacts) -> Value,
    /// One sentence: meaning, unit, range.
    pub(super) description: fn(&HostFacts) -> String,
    pub(super) needs_restart: bool,
    /// What must hold wherever the value comes from; the error follows the key in a sentence.
    pub(super) check: fn(&Value, &HostFacts) -> Result<(), String>,
    /// What must hold besides when a person sets it.
    pub(super) check_change: fn(&Value, &HostFacts) -> Result<(), String>,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        key: CPUS,
        default: |facts| json!(facts.cpus),
        description: |facts| format!("Virtual CPUs of the VM, 1 to {}.", facts.cpus),
        needs_restart: true,
        check: |value, facts| between(value, 1, facts.cpus.into(), "this host's processors"),
        check_change: anything,
    },
    Entry {
        key: MEMORY,
        default: |facts| {
            json!(
                (facts.memory_mib / 4)
                    .clamp(2048, 8192)
                    .min(most_memory(facts))
            )
        },
        description: |facts| {
            format!(
                "Memory of the VM in MiB, {MIN_MEMORY} to {}.",
                most_memory(facts)
            )
        },
        needs_restart: true,
        check: |value, facts| between(value, MIN_MEMORY, most_memory(facts), "this host's memory"),
        check_change: anything,
    },
    Entry {
        key: DISK,
        default: |_| json!(64),
        description: |_| {
            format!(
                "Size of the data disk in GiB, {MIN_DISK} to {MAX_DISK}; it takes what is used of it, and can only grow."
            )
        },
        needs_restart: true,
        check: |value, _| between(value, MIN_DISK, MAX_DISK, "the most that is supported"),
        check_change: only_grows,
    },
    Entry {
        key: SHARES,
        default: shares::default,
        description: |_| {
            "Host folders that containers may mount, as absolute paths; the same paths in the VM."
                .into()
        },
        needs_restart: true,
        check: shares::check,
        check_change: |value, _| {
            shares::paths(value)?
                .iter()
                .try_for_each(|path| shares::exists(path))
        },
    },
    Entry {
        key: IGNORED,
        default: |_| json!([]),
        description: |_| {
            "What of the shared folders no event is raised for in containers, as patterns of a .gitignore at the root of each."
                .into()
        },
        needs_restart: true,
        check: |value, _| ignored::check(value),
        check_change: anything,
    },
    Entry {
        key: PUBLISH_ON,
        default: |_| json!(""),
        description: |_| {
            "Address of the host for published ports that name none (-p 8080:80), as 127.0.0.1; \"\" for all. Containers keep what they were made with."
                .into()
        },
        needs_restart: false,
        check: |value, _| ports::address(value).map(|_| ()),
        check_change: |value, _| ports::check_is_ours(value),
    },
    Entry {
        key: PAUSE_AFTER,
        default: |_| json!(600),
        description: |_| {
            format!(
                "Seconds without a byte from or to containers, at least, after which the VM is paused until somebody uses it, 0 to {MAX_IDLE}; 0 for never."
            )
        },
        needs_restart: false,
        check: |value, _| between(value, 0, MAX_IDLE, "a week"),
        check_change: anything,
    },
    Entry {
        key: SUSPEND_AFTER,
        default: |_| json!(3600),
        description: |_| {
            format!(
                "Seconds of such a pause after which the VM is suspended, with its sockets and ports kept open, 0 to {MAX_IDLE}; 0 for never."
            )
        },
        needs_restart: false,
        check: |value, _| between(value, 0, MAX_IDLE, "a week"),
        check_change: anything,
    },
    Entry {
        key: CPU_PERCENT,
        default: |_| json!(10),
        description: |_| {
            "A VM that takes as much of one processor, in percent, is not paused, 1 to 100.".into()
        },
        needs_restart: false,
        check: |value, _| between(value, 1, 100, "percent of one processor"),
        check_change: anything,
    },
    Entry {
        key: ENGINE,
        default: |_| json!({}),
        description: |_| {
            "What to add to the engine's daemon.json, a JSON object; not the keys that the VM owns."
                .into()
        },
        needs_restart: true,
        check: |value, _| engine_config::check(value),
        check_change: anything,
    },
    Entry {
        key: HTTP_PROXY,
        default: |facts| json!(facts.proxies.http),
        description: |_| {
            "Proxy by which the engine fetches over HTTP, a URL; \"\" for none; by default the daemon's http_proxy.".into()
        },
        needs_restart: true,
        check: |value, _| proxy::check_url(value),
        check_change: anything,
    },
    Entry {
        key: HTTPS_PROXY,
        default: |facts| json!(facts.proxies.https),
        description: |_| {
            "Proxy by which the engine fetches over HTTPS, a URL; \"\" for none; by default the daemon's https_proxy.".into()
        },
        needs_restart: true,
        check: |value, _| proxy::check_url(value),
        check_change: anything,
    },
    Entry {
        key: NO_PROXY,
        default: |facts| json!(facts.proxies.no_proxy),
        description: |_| {
            "What the engine reaches without a proxy: names, domains, networks, with commas between.".into()
        },
        needs_restart: true,
        check: |value, _| proxy::check_exceptions(value),
        check_change: anything,
    },
    Entry {
        key: INSECURE,
        default: |_| json!([]),
        description: |_| {
            "Registries without TLS or with a certificate that nobody vouches for, as host:port, or networks.".into()
        },
        needs_restart: true,
        check: |value, _| registry::check_insecure(value),
        check_change: anything,
    },
    Entry {
        key: MIRRORS,
        default: |_| json!([]),
        description: |_| "Mirrors of Docker Hub that the engine asks first, as URLs.".into(),
        needs_restart: true,
        check: |value, _| registry::check_mirrors(value),
        check_change: anything,
    },
    Entry {
        key: AUTHORITIES,
        default: |_| json!({}),
        description: |_| {
            "Certificate authorities of private registries: host:port and the absolute path of a PEM file on the host, a JSON object.".into()
        },
        needs_restart: true,
        check: |value, _| registry::authorities(value).map(|_| ()),
        check_change: |value, _| {
            let files = registry::authorities(value)?;
            files
                .values()
                .try_for_each(|file| registry::certificates(file).map(|_| ()))
        },
    },
];

pub(super) fn find(key: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.key == key)
}

fn anything(_: &Value, _: &HostFacts) -> Result<(), String> {
    Ok(())
}

fn most_memory(facts: &HostFacts) -> u64 {
    facts.memory_mib.max(MIN_MEMORY)
}

fn between(value: &Value, least: u64, most: u64, why: &str) -> Result<(), String> {
    match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Ok(()),
        _ => Err(format!(
            "must be a whole number from {least} to {most} ({why}), not {value}"
        )),
    }
}

fn only_grows(value: &Value, facts: &HostFacts) -> Result<(), String> {
    let now = disks::data_size(&facts.data_disk).0 >> 30;
    match value.as_u64() {
        Some(wanted) if wanted < now => Err(format!(
            "can only grow, and the data disk has {now} GiB already: \
             `coracle reset` deletes it with everything the engine holds"
        )),
        _ => Ok(()),
    }
}
