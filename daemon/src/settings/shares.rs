//! Which folders may be shared.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::HostFacts;

/// Refused with everything below: in the guest these are the kernel's or the engine's.
const WITH_CONTENTS: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/boot",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/coracle-data",
];

/// Refused as such: they would cover the guest's own system.
const THEMSELVES: &[&str] = &[
    "/",
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/etc",
    "/var",
    "/var/lib",
];

/// The user's home folder, unless it is one that may not be shared.
pub(super) fn default(facts: &HostFacts) -> Value {
    let home = facts.user_home.iter().filter(|home| home.is_dir());
    let homes: Vec<_> = home.filter_map(|home| home.to_str()).collect();
    let value = json!(homes);
    match check(&value, facts) {
        Ok(()) => value,
        Err(_) => json!([]),
    }
}

/// The paths of a value, without superfluous slashes.
pub(super) fn paths(value: &Value) -> Result<Vec<PathBuf>, String> {
    let wrong = || format!("must be a list of absolute paths, not {value}");
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter()
        .map(|path| {
            let path = path.as_str().ok_or_else(wrong)?;
            Ok(Path::new(path).components().collect())
        })
        .collect()
}

/// What can be said without the folders being there.
pub(super) fn check(value: &Value, facts: &HostFacts) -> Result<(), String> {
    let paths = paths(value)?;
    for path in &paths {
        allowed(path, facts)?;
    }
    for (i, path) in paths.iter().enumerate() {
        for (j, other) in paths.iter().enumerate() {
            if i != j && path.starts_with(other) && (path != other || i < j) {
                return Err(format!(
                    "names {} twice: it is shared with {} already",
                    path.display(),
                    other.display()
                ));
            }
        }
    }
    Ok(())
}

/// Whether the folder is there.
pub(super) fn exists(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        Ok(())
    } else {
        Err(format!(
            "names {}, which is no folder: make it, or take it out",
            path.display()
        ))
    }
}

fn allowed(path: &Path, facts: &HostFacts) -> Result<(), String> {
    if !path.is_absolute() {
        return Err(format!(
            "names {}, which is not an absolute path",
            path.display()
        ));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("names {}: write it without ..", path.display()));
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.into());
    for path in [path, &real] {
        let system = THEMSELVES.iter().any(|own| path == Path::new(own))
            || WITH_CONTENTS.iter().any(|own| path.starts_with(own));
        if system {
            return Err(format!(
                "names {}, which would cover the VM's own system: share a folder of yours",
                path.display()
            ));
        }
        if path.starts_with(&facts.state) {
            return Err(format!(
                "names {}, which is Coracle's own state",
                path.display()
            ));
        }
    }
    Ok(())
}
