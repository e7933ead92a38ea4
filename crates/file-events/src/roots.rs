//! What is to be watched.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A shared folder, on both sides of the border.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share {
    /// As it is mounted in the guest.
    pub(crate) guest: String,
    /// On the host, without symbolic links.
    pub(crate) host: PathBuf,
}

impl Share {
    /// `None` when it is not there, or has a name that cannot be mounted.
    pub(crate) fn of(path: &Path) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            guest: path.to_str()?.to_owned(),
            host: path.canonicalize().ok()?,
        }))
    }
}

/// A folder with all below it, or some files in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Root {
    pub(crate) share: Arc<Share>,
    /// On the host, without symbolic links.
    pub(crate) path: PathBuf,
    /// The names that count, without what is below them; everything if `None`.
    pub(crate) only: Option<BTreeSet<OsString>>,
}

impl Root {
    /// Whether a watched folder belongs to it.
    pub(crate) fn covers(&self, folder: &Path) -> bool {
        match self.only {
            None => folder.starts_with(&self.path),
            Some(_) => folder == self.path,
        }
    }
}

/// The roots for the sources of bind mounts. What is not there or not shared needs none.
pub(crate) fn of_sources(sources: &[PathBuf], shares: &[Arc<Share>]) -> Vec<Root> {
    let mut folders = BTreeSet::new();
    let mut files = Vec::new();
    for source in sources {
        let Ok(path) = source.canonicalize() else {
            continue;
        };
        match (path.is_dir(), path.parent(), path.file_name()) {
            (true, ..) => {
                folders.insert(path);
            }
            (false, Some(folder), Some(name)) => files.push((folder.to_owned(), name.to_owned())),
            _ => {}
        }
    }
    // Folders inside another one come right after it.
    let mut roots: Vec<Root> = Vec::new();
    for path in folders {
        if !roots.iter().any(|root| root.covers(&path)) {
            roots.extend(root(path, None, shares));
        }
    }
    for (folder, name) in files {
        if roots
            .iter()
            .any(|root| root.only.is_none() && root.covers(&folder))
        {
            continue;
        }
        let known = roots.iter_mut().find(|root| root.path == folder);
        match known.and_then(|root| root.only.as_mut()) {
            Some(names) => {
                names.insert(name);
            }
            None => roots.extend(root(folder, Some([name].into()), shares)),
        }
    }
    roots
}

fn root(path: PathBuf, only: Option<BTreeSet<OsString>>, shares: &[Arc<Share>]) -> Option<Root> {
    let holding = shares.iter().filter(|share| path.starts_with(&share.host));
    let share = holding.max_by_key(|share| share.host.as_os_str().len())?;
    Some(Root {
        share: share.clone(),
        path,
        only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn nested_folders_are_one_root_and_files_are_their_folders() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().canonicalize().unwrap();
        for folder in ["share/app/src", "share/app2", "share/etc", "elsewhere"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        for file in ["share/etc/a.conf", "share/etc/b.conf", "share/app/main.rs"] {
            fs::write(home.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("app", home.join("share/link")).unwrap();
        let shares = [Share::of(&home.join("share")).unwrap()];
        let sources: Vec<_> = [
            "share/app/src",
            "share/link",
            "share/app2",
            "share/etc/b.conf",
            "share/app/main.rs",
            "share/etc/a.conf",
            "share/missing",
            "elsewhere",
        ]
        .map(|path| home.join(path))
        .into();
        let found: Vec<_> = of_sources(&sources, &shares)
            .into_iter()
            .map(|root| {
                let path = root.path.strip_prefix(&home).unwrap().to_owned();
                (path, root.only.map(|names| names.len()))
            })
            .collect();
        let expected = [
            ("share/app", None),
            ("share/app2", None),
            ("share/etc", Some(2)),
        ];
        assert_eq!(found, expected.map(|(path, only)| (path.into(), only)));
    }
}
