//! For the fuzz targets; nothing else needs it.

use std::path::{Path, PathBuf};

/// What is watched on the host for the engine's answer to `GET /containers/json`, one folder being
/// shared; `None` if it is no such answer.
pub fn watched(containers: &[u8], shared: &Path) -> Option<Vec<PathBuf>> {
    let containers = crate::containers::parse(containers).ok()?;
    crate::reload::fuzzing(&containers, shared);
    let shares: Vec<_> = crate::roots::Share::of(shared).into_iter().collect();
    let sources: Vec<_> = containers.iter().flat_map(|one| one.sources()).collect();
    let roots = crate::roots::of_sources(&sources, &shares).into_iter();
    Some(roots.map(|root| root.path).collect())
}
