//! Which folder each watch is of.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, Inotify, InotifyEvent, WatchDescriptor};

use super::Entry;
use crate::ignored::Ignored;
use crate::roots::Share;

/// A watched folder.
pub(super) struct Folder {
    pub(super) share: Arc<Share>,
    pub(super) path: PathBuf,
    /// The names that count; all if `None`.
    only: Option<BTreeSet<OsString>>,
    /// Names that were found here and told of, whose creation may still be on its way.
    announced: HashSet<OsString>,
}

impl Folder {
    pub(super) fn new(share: Arc<Share>, path: PathBuf, only: Option<BTreeSet<OsString>>) -> Self {
        Self {
            share,
            path,
            only,
            announced: HashSet::new(),
        }
    }

    pub(super) fn below(entry: &Entry) -> Self {
        Self::new(entry.share.clone(), entry.path.clone(), None)
    }
}

pub(super) struct Folders {
    inotify: Inotify,
    ignored: Ignored,
    by_watch: HashMap<WatchDescriptor, Folder>,
}

/// All but what reading causes.
fn mask() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
        | AddWatchFlags::IN_DONT_FOLLOW
}

impl Folders {
    pub(super) fn new(inotify: Inotify, ignored: Ignored) -> Self {
        Self {
            inotify,
            ignored,
            by_watch: HashMap::new(),
        }
    }

    pub(super) fn inotify(&self) -> &Inotify {
        &self.inotify
    }

    /// Some of the events that have come; `None` when there are no more.
    pub(super) fn read(&self) -> nix::Result<Option<Vec<InotifyEvent>>> {
        loop {
            match self.inotify.read_events() {
                Ok(events) => return Ok(Some(events)),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn get(&self, watch: WatchDescriptor) -> Option<&Folder> {
        self.by_watch.get(&watch)
    }

    /// A name in a folder.
    pub(super) fn entry(&self, folder: &Folder, name: &OsStr, is_dir: bool) -> Entry {
        let path = folder.path.join(name);
        let chosen = folder.only.as_ref().is_none_or(|only| only.contains(name));
        let relative = path.strip_prefix(&folder.share.host).unwrap_or(&path);
        Entry {
            share: folder.share.clone(),
            counts: chosen && !self.ignored.contains(relative, is_dir),
            path,
            is_dir,
        }
    }

    /// Watches a folder and all below it. `told` is called for each entry and says whether its
    /// creation counts as told. Each folder is watched before it is read, so that nothing is made in
    /// it unseen. Fails when the limit is reached; what cannot be read or has gone is passed over.
    pub(super) fn add(
        &mut self,
        folder: Folder,
        told: &mut dyn FnMut(&Entry, &fs::Metadata) -> bool,
    ) -> Result<(), Errno> {
        let mut waiting = vec![folder];
        while let Some(mut folder) = waiting.pop() {
            let watch = match self.inotify.add_watch(&folder.path, mask()) {
                Ok(watch) => watch,
                Err(Errno::ENOSPC) => return Err(Errno::ENOSPC),
                Err(_) => continue,
            };
            if folder.only.is_none() {
                for entry in fs::read_dir(&folder.path).into_iter().flatten().flatten() {
                    let Ok(metadata) = entry.metadata() else {
                        continue;
                    };
                    let name = entry.file_name();
                    let entry = self.entry(&folder, &name, metadata.is_dir());
                    if !entry.counts {
                        continue;
                    }
                    if told(&entry, &metadata) {
                        folder.announced.insert(name);
                    }
                    if entry.is_dir {
                        waiting.push(Folder::below(&entry));
                    }
                }
            }
            self.by_watch.insert(watch, folder);
        }
        Ok(())
    }

    /// Whether the creation of this name has been told of already; once.
    pub(super) fn unannounce(&mut self, watch: WatchDescriptor, name: &OsStr) -> bool {
        let folder = self.by_watch.get_mut(&watch);
        folder.is_some_and(|folder| folder.announced.remove(name))
    }

    /// The kernel watches it no more.
    pub(super) fn ended(&mut self, watch: WatchDescriptor) {
        self.by_watch.remove(&watch);
    }

    /// Stops to watch every folder that is not `wanted`.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Path) -> bool) {
        let inotify = &self.inotify;
        self.by_watch.retain(|watch, folder| {
            let kept = wanted(&folder.path);
            if !kept {
                // It may have ended by itself just now.
                let _ = inotify.rm_watch(*watch);
            }
            kept
        });
    }

    /// After lost events: the watches of folders that are no longer where they were.
    pub(super) fn forget_missing(&mut self) {
        self.keep(|path| path.is_dir());
        for folder in self.by_watch.values_mut() {
            folder.announced.clear();
        }
    }

    /// A folder has another path, and all below it.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        for folder in self.by_watch.values_mut() {
            let Ok(rest) = folder.path.strip_prefix(from) else {
                continue;
            };
            folder.path = match rest.as_os_str().is_empty() {
                true => to.to_owned(),
                false => to.join(rest),
            };
        }
    }
}
