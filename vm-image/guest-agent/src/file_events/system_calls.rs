//! The few events that an agent can raise by itself.
//!
//! Setting a file's time to what it is raises MODIFY, and setting both times ATTRIB; nothing
//! raises CREATE, DELETE or MOVED. Each such call comes back from the host as a change. It is
//! known by the change time that it has left.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use coracle_guest_api::file_events::{Batch, FileEventKind, Place};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

/// How many files are remembered; one over the limit may be told of twice.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct SystemCalls {
    /// Each file's change time after our own last call.
    own: HashMap<PathBuf, (i64, i64)>,
}

impl SystemCalls {
    pub(super) fn deliver(&mut self, batch: &Batch) {
        for event in &batch.events {
            let path = |place: &Place| {
                Path::new(&batch.share)
                    .join(OsStr::from_bytes(&place.dir))
                    .join(OsStr::from_bytes(&place.name))
            };
            match &event.kind {
                FileEventKind::Create
                | FileEventKind::Modify
                | FileEventKind::CloseWrite
                | FileEventKind::MovedTo => self.touch(&path(&event.at), true),
                FileEventKind::Attrib => self.touch(&path(&event.at), false),
                FileEventKind::Moved(to) => self.touch(&path(to), true),
                FileEventKind::Delete
                | FileEventKind::MovedFrom
                | FileEventKind::DeleteSelf
                | FileEventKind::MoveSelf
                | FileEventKind::Overflow => {}
            }
        }
    }

    /// Raises MODIFY for content, else ATTRIB. What is gone meanwhile needs neither.
    fn touch(&mut self, path: &Path, content: bool) {
        let Ok(found) = fs::symlink_metadata(path) else {
            self.own.remove(path);
            return;
        };
        if self.own.get(path) == Some(&(found.ctime(), found.ctime_nsec())) {
            return;
        }
        let access = match content {
            true => TimeSpec::UTIME_OMIT,
            false => TimeSpec::new(found.atime(), found.atime_nsec()),
        };
        let modified = TimeSpec::new(found.mtime(), found.mtime_nsec());
        let flags = UtimensatFlags::NoFollowSymlink;
        if utimensat(AT_FDCWD, path, &access, &modified, flags).is_err() {
            return;
        }
        if let Ok(now) = fs::symlink_metadata(path) {
            if self.own.len() >= MOST {
                self.own.clear();
            }
            self.own
                .insert(path.to_owned(), (now.ctime(), now.ctime_nsec()));
        }
    }
}
