//! Where the sources, what is built from them, and the caches are.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The top of the checkout: the nearest folder upwards that holds `vm-image` and `xtask`.
pub(crate) fn root() -> Result<PathBuf> {
    let here = env::current_dir().context("the current folder is gone")?;
    let top = here
        .ancestors()
        .find(|folder| folder.join("vm-image/packages").is_dir() && folder.join("xtask").is_dir());
    match top {
        Some(top) => Ok(top.to_owned()),
        None => bail!(
            "{} is not in a checkout of Coracle: run this inside one",
            here.display()
        ),
    }
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf> {
    let root = root()?;
    Ok(match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    })
}

/// A folder of the cache that several checkouts share; made if it is missing.
///
/// The cache is `$CORACLE_CACHE`, else `$XDG_CACHE_HOME/coracle`, else `~/.cache/coracle`.
pub(crate) fn cache(section: &str) -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("CORACLE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("coracle")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/coracle")))
        .context("neither CORACLE_CACHE nor HOME is set, so there is no place for the cache")?;
    let folder = std::path::absolute(cache)?.join(section);
    fs::create_dir_all(&folder).with_context(|| {
        format!(
            "cannot make {}: set CORACLE_CACHE to another folder",
            folder.display()
        )
    })?;
    Ok(folder)
}

/// A temporary folder beside what will be moved out of it, so that a rename suffices.
pub(crate) fn scratch(beside: &Path) -> Result<TempDir> {
    fs::create_dir_all(beside).with_context(|| format!("cannot make {}", beside.display()))?;
    sweep(beside, LEFT_BEHIND);
    tempfile::Builder::new()
        .prefix(SCRATCH)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(beside)
        .with_context(|| format!("cannot write in {}", beside.display()))
}

const SCRATCH: &str = ".partial-";

/// An age that no running step reaches.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes the scratch folders of runs that were killed.
fn sweep(folder: &Path, age: Duration) {
    let is_old = |entry: &fs::DirEntry| -> bool {
        let modified = entry.metadata().and_then(|meta| meta.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed >= age))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) && is_old(&entry) {
            // What cannot be removed is someone else's, and in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_scratch_folders_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".partial-left");
        let kept = folder.path().join("entry");
        fs::create_dir(&left).unwrap();
        fs::create_dir(&kept).unwrap();
        sweep(folder.path(), LEFT_BEHIND);
        assert!(left.is_dir());
        sweep(folder.path(), Duration::ZERO);
        assert!(!left.exists() && kept.is_dir());
    }
}
