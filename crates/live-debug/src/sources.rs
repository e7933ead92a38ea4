//! Which folder of the host holds the sources that a container runs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::container::Container;

/// A folder on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMap {
    /// On the host.
    pub local: String,
    /// In the container.
    pub remote: String,
}

/// The folders that the container has from the host. A service whose sources were copied into its
/// image has none: then the folder of its name beside the compose file counts, if there is one.
pub(crate) fn map(container: &Container) -> Vec<PathMap> {
    let binds = container.binds.iter();
    let mut map: Vec<_> = binds
        .filter(|(local, _)| Path::new(local).is_dir())
        .map(|(local, remote)| PathMap {
            local: local.clone(),
            remote: remote.clone(),
        })
        .collect();
    let covered = map
        .iter()
        .any(|one| Path::new(&container.folder).starts_with(&one.remote));
    if let Some((service, project)) = &container.service
        && !covered
        && !matches!(container.folder.as_str(), "" | "/")
    {
        let local = Path::new(project).join(service);
        if local.is_dir() {
            map.push(PathMap {
                local: local.to_string_lossy().into_owned(),
                remote: container.folder.clone(),
            });
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_mounts_has_its_folder_in_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().to_string_lossy().into_owned();
        std::fs::create_dir(folder.path().join("worker")).unwrap();
        let mut container = Container {
            id: "1".into(),
            name: "app-worker-1".into(),
            init: 1,
            folder: "/app".into(),
            binds: vec![("/nowhere".into(), "/app".into())],
            service: Some(("worker".into(), project.clone())),
        };
        let remote = |map: &[PathMap]| map[0].remote.clone();
        let found = map(&container);
        assert!(found[0].local.ends_with("/worker"));
        assert_eq!((found.len(), remote(&found)), (1, "/app".into()));
        container.binds = vec![(project.clone(), "/".into())];
        assert_eq!(map(&container)[0].local, project);
        container.binds.clear();
        container.service = None;
        assert_eq!(map(&container), []);
    }
}
