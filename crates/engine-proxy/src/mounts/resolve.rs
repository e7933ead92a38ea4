//! Where a path leads, with its symbolic links followed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// More links than this on one way are a loop.
const MAX_LINKS: usize = 40;

/// Reads a symbolic link; `None` for whatever is not one, or is not there.
pub(super) type ReadLink<'a> = &'a dyn Fn(&Path) -> Option<PathBuf>;

/// The absolute path without `.`, `..` and doubled slashes, as the engine cleans a source.
pub(super) fn normalise(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Where `path` leads on the host; what does not exist (yet) is taken as written.
/// `None` for a loop of links.
pub(super) fn on_host(path: &Path, read_link: ReadLink<'_>) -> Option<PathBuf> {
    walk(path, read_link, |_| false, |_| true)
}

/// Where `path` leads in the guest, which has the folders of `shares` and the way down to
/// them, but not the links that the host may have on that way. `None` when it leaves them.
pub(super) fn in_guest(
    path: &Path,
    shares: &[PathBuf],
    read_link: ReadLink<'_>,
) -> Option<PathBuf> {
    let on_the_way = |path: &Path| shares.iter().any(|share| share.starts_with(path));
    let shared = |path: &Path| shares.iter().any(|share| path.starts_with(share));
    walk(path, read_link, on_the_way, |path| {
        on_the_way(path) || shared(path)
    })
    .filter(|path| shared(path))
}

fn walk(
    path: &Path,
    read_link: ReadLink<'_>,
    is_folder: impl Fn(&Path) -> bool,
    exists: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let mut done = PathBuf::from("/");
    let mut ahead = VecDeque::new();
    put_before(&mut ahead, path);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            done.pop();
            continue;
        }
        let next = done.join(name);
        if !exists(&next) {
            return None;
        }
        let link = if is_folder(&next) {
            None
        } else {
            read_link(&next)
        };
        let Some(target) = link else {
            done = next;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return None;
        }
        if target.is_absolute() {
            done = PathBuf::from("/");
        }
        put_before(&mut ahead, &target);
    }
    Some(done)
}

fn put_before(ahead: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}
