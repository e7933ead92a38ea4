//! The watched folders, and what their events mean.

mod folders;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coracle_guest_api::file_events::{FileEvent, FileEventKind, Place};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, Inotify, InotifyEvent};
use tokio::sync::watch;

use crate::Problems;
use crate::ignored::Ignored;
use crate::queue::Queue;
use crate::roots::{Root, Share};
use folders::{Folder, Folders};

pub(super) struct Tree {
    folders: Folders,
    roots: Vec<Root>,
    queue: Arc<Queue>,
    problems: Arc<watch::Sender<Problems>>,
    /// The first half of a rename whose second may follow.
    half: Option<Half>,
}

struct Half {
    cookie: u32,
    entry: Entry,
}

/// A name in a watched folder.
struct Entry {
    share: Arc<Share>,
    path: PathBuf,
    is_dir: bool,
    /// Whether anybody is to hear of it.
    counts: bool,
}

impl Entry {
    fn place(&self) -> Place {
        let dir = self.path.parent().unwrap_or(Path::new(""));
        Place {
            dir: below(&self.share, dir),
            name: self.path.file_name().unwrap_or_default().as_bytes().into(),
        }
    }
}

fn below(share: &Share, path: &Path) -> Vec<u8> {
    let relative = path.strip_prefix(&share.host).unwrap_or(Path::new(""));
    relative.as_os_str().as_bytes().into()
}

impl Tree {
    pub(super) fn new(
        inotify: Inotify,
        queue: Arc<Queue>,
        problems: Arc<watch::Sender<Problems>>,
        ignored: Ignored,
    ) -> Self {
        Self {
            folders: Folders::new(inotify, ignored),
            roots: Vec::new(),
            queue,
            problems,
            half: None,
        }
    }

    pub(super) fn inotify(&self) -> &Inotify {
        self.folders.inotify()
    }

    /// Whether the end of a rename is awaited.
    pub(super) fn waits(&self) -> bool {
        self.half.is_some()
    }

    pub(super) fn give_up_waiting(&mut self) {
        if let Some(half) = self.half.take() {
            self.moved_away(&half.entry);
        }
    }

    pub(super) fn complain(&self, sentence: String) {
        self.problems.send_if_modified(|problems| {
            let is_new = problems.watcher.as_ref() != Some(&sentence);
            problems.watcher = Some(sentence);
            is_new
        });
    }

    /// Watches these roots instead of those before.
    pub(super) fn watch(&mut self, roots: Vec<Root>, lost: bool) {
        let wanted = |path: &Path| roots.iter().any(|root| root.covers(path));
        self.folders.keep(wanted);
        for root in &roots {
            if !self.roots.contains(root) {
                self.add_root(root);
            }
        }
        self.roots = roots;
        if lost {
            self.tell_overflow();
        }
    }

    /// Takes everything that has come.
    pub(super) fn read(&mut self) -> nix::Result<()> {
        while let Some(events) = self.folders.read()? {
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    self.begin_anew()?;
                    break;
                }
                self.take(&event);
            }
        }
        Ok(())
    }

    /// The kernel has lost events: what it has still is thrown away, every folder that is there
    /// now is watched, and the guest looks at everything after that.
    fn begin_anew(&mut self) -> nix::Result<()> {
        tracing::info!("too many changes at once: watching programs are told of an overflow");
        self.half = None;
        while let Some(events) = self.folders.read()? {
            let ended = AddWatchFlags::IN_IGNORED;
            for event in events.iter().filter(|event| event.mask.contains(ended)) {
                self.folders.ended(event.wd);
            }
        }
        self.folders.forget_missing();
        for root in self.roots.clone() {
            self.add_root(&root);
        }
        self.tell_overflow();
        Ok(())
    }

    fn tell_overflow(&self) {
        for root in &self.roots {
            self.queue.overflow(&root.share);
        }
    }

    fn add_root(&mut self, root: &Root) {
        let folder = Folder::new(root.share.clone(), root.path.clone(), root.only.clone());
        self.add(folder, &mut |_, _| false);
    }

    /// Watches a folder with all below it.
    fn add(&mut self, folder: Folder, told: &mut dyn FnMut(&Entry, &fs::Metadata) -> bool) {
        let path = folder.path.clone();
        if let Err(Errno::ENOSPC) = self.folders.add(folder, told) {
            let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
            self.complain(format!(
                "Edits below {} reach watching programs in containers only in part: the limit of \
                 inotify watches ({}) is reached; raise it with \
                 `sudo sysctl fs.inotify.max_user_watches=1048576`, then `coracle restart`.",
                path.display(),
                limit.unwrap_or_default().trim(),
            ));
        }
    }

    fn take(&mut self, event: &InotifyEvent) {
        let has = |flag| event.mask.contains(flag);
        if has(AddWatchFlags::IN_IGNORED) {
            self.give_up_waiting();
            return self.folders.ended(event.wd);
        }
        let Some(folder) = self.folders.get(event.wd) else {
            return;
        };
        let Some(name) = &event.name else {
            let (share, path) = (folder.share.clone(), folder.path.clone());
            self.give_up_waiting();
            return self.itself(&share, &path, event.mask);
        };
        let entry = self
            .folders
            .entry(folder, name, has(AddWatchFlags::IN_ISDIR));
        if let Some(half) = self.half.take() {
            if has(AddWatchFlags::IN_MOVED_TO) && event.cookie == half.cookie {
                return self.moved(&half.entry, &entry);
            }
            self.moved_away(&half.entry);
        }
        if has(AddWatchFlags::IN_MOVED_FROM) {
            self.folders.unannounce(event.wd, name);
            let cookie = event.cookie;
            self.half = Some(Half { cookie, entry });
            return;
        }
        if !entry.counts {
            return;
        }
        if has(AddWatchFlags::IN_MOVED_TO) {
            self.arrived(&entry);
        } else if has(AddWatchFlags::IN_CREATE) {
            // Found in a new folder and told of before this came.
            if !self.folders.unannounce(event.wd, name) {
                self.created(&entry);
            }
        } else if has(AddWatchFlags::IN_DELETE) {
            self.folders.unannounce(event.wd, name);
            self.tell(FileEventKind::Delete, &entry);
        } else if has(AddWatchFlags::IN_MODIFY) {
            self.tell(FileEventKind::Modify, &entry);
        } else if has(AddWatchFlags::IN_CLOSE_WRITE) {
            self.tell(FileEventKind::CloseWrite, &entry);
        } else if has(AddWatchFlags::IN_ATTRIB) {
            self.tell(FileEventKind::Attrib, &entry);
        }
    }

    /// An event of a folder's own. The one above tells of all but the roots.
    fn itself(&self, share: &Arc<Share>, path: &Path, mask: AddWatchFlags) {
        let is_root = |root: &Root| root.path == path && root.only.is_none();
        if !self.roots.iter().any(is_root) {
            return;
        }
        let kind = if mask.contains(AddWatchFlags::IN_ATTRIB) {
            FileEventKind::Attrib
        } else if mask.contains(AddWatchFlags::IN_DELETE_SELF) {
            FileEventKind::DeleteSelf
        } else if mask.contains(AddWatchFlags::IN_MOVE_SELF) {
            FileEventKind::MoveSelf
        } else {
            return;
        };
        let place = Place {
            dir: below(share, path),
            name: Vec::new(),
        };
        let mut event = FileEvent::new(kind, place);
        event.is_dir = true;
        self.queue.push(share, event);
    }

    fn created(&mut self, entry: &Entry) {
        let mut event = FileEvent::new(FileEventKind::Create, entry.place());
        event.is_dir = entry.is_dir;
        event.linked =
            !entry.is_dir && fs::symlink_metadata(&entry.path).is_ok_and(|found| found.nlink() > 1);
        self.queue.push(&entry.share, event);
        if entry.is_dir {
            let queue = self.queue.clone();
            // What was made in it before it was watched.
            self.add(Folder::below(entry), &mut |entry, found| {
                let mut event = FileEvent::new(FileEventKind::Create, entry.place());
                event.is_dir = entry.is_dir;
                queue.push(&entry.share, event);
                if found.is_file() && found.len() > 0 {
                    let event = FileEvent::new(FileEventKind::CloseWrite, entry.place());
                    queue.push(&entry.share, event);
                }
                true
            });
        }
    }

    /// Of a rename, the name that it had is not watched.
    fn arrived(&mut self, entry: &Entry) {
        self.tell(FileEventKind::MovedTo, entry);
        if entry.is_dir {
            self.add(Folder::below(entry), &mut |_, _| false);
        }
    }

    /// Of a rename, the name that it has now is not watched.
    fn moved_away(&mut self, entry: &Entry) {
        if entry.is_dir {
            self.folders.keep(|path| !path.starts_with(&entry.path));
        }
        if entry.counts {
            self.tell(FileEventKind::MovedFrom, entry);
        }
    }

    fn moved(&mut self, from: &Entry, to: &Entry) {
        if from.counts && to.counts && from.share == to.share {
            if from.is_dir {
                self.folders.rename(&from.path, &to.path);
                // It may have had the old name too briefly to be watched by it.
                self.add(Folder::below(to), &mut |_, _| false);
            }
            return self.tell(FileEventKind::Moved(to.place()), from);
        }
        self.moved_away(from);
        if to.counts {
            self.arrived(to);
        }
    }

    fn tell(&self, kind: FileEventKind, entry: &Entry) {
        let mut event = FileEvent::new(kind, entry.place());
        event.is_dir = entry.is_dir;
        self.queue.push(&entry.share, event);
    }
}

#[cfg(test)]
mod tests;
