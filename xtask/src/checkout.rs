//! Where the sources, what is built from them, and the caches are.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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
    tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(beside)
        .with_context(|| format!("cannot write in {}", beside.display()))
}
