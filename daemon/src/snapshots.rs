//! Snapshots on the disk: a folder for each, and in the data disk's layer a state under its tag.
//!
//! ```text
//! snapshots/NAME/snapshot.json   what it fits, and the tag
//!                memory          as of a suspended VM
//!                config.raw      the configuration disk, with the secret of that boot
//! snapshots/.part/               one that is being taken
//! snapshots/.restore             the name of the one that the next start goes on from
//! ```
//!
//! A snapshot counts when its folder has its name, which comes last and at once. A restore counts
//! from the moment that `.restore` is there: what it does may be repeated until that is gone again. So a process that
//! is killed at any moment leaves what was before, or what was wanted.

mod entry;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coracle_daemon_api::{ApiError, ErrorCode, Snapshot};
use coracle_host_paths::HostPaths;
use coracle_vm_driver::Tags;

use crate::platform;

pub(crate) use entry::Entry;

/// The folder of the snapshots. Clones are of one.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    folder: PathBuf,
    changes: Arc<AtomicU64>,
}

/// Their list, read again only when it may be another one.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Of [`Snapshots::changes`].
    as_of: Option<u64>,
    list: Vec<Snapshot>,
}

/// A snapshot that is being taken. Dropping it deletes what there is of it.
#[derive(Debug)]
pub(crate) struct Part {
    folder: PathBuf,
    named: PathBuf,
    changes: Arc<AtomicU64>,
}

impl Snapshots {
    pub(crate) fn new(paths: &HostPaths) -> Self {
        Self {
            folder: paths.snapshots_dir(),
            changes: Arc::default(),
        }
    }

    /// A number that is another one when the list may be another one.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// What becomes of a snapshot that is now under a name, or will be.
    fn part(&self, named: PathBuf) -> Part {
        Part {
            folder: self.folder.join(PART),
            named,
            changes: self.changes.clone(),
        }
    }

    /// All of them, the oldest first, damaged ones at the end.
    pub(crate) fn list(&self) -> Result<Vec<Snapshot>, ApiError> {
        let names = self.names().map_err(|error| self.failed("read", &error))?;
        let mut all: Vec<_> = names.iter().map(|name| self.describe(name)).collect();
        all.sort_by_key(|found| (found.taken_s.is_none(), found.taken_s, found.name.clone()));
        Ok(all)
    }

    fn describe(&self, name: &str) -> Snapshot {
        let memory = fs::metadata(self.memory(name));
        let (entry, error) = match self.read(name) {
            Ok(entry) => (Some(entry), None),
            Err(error) => (None, Some(error.message)),
        };
        Snapshot {
            name: name.into(),
            taken_s: entry.as_ref().map(|entry| entry.taken_s),
            pause_ms: entry.as_ref().map(|entry| entry.pause_ms),
            memory_bytes: memory.map_or(0, |memory| platform::allocated_bytes(&memory)),
            error,
        }
    }

    /// Begins one. Refuses a name that is none or that there is, and a host that has no room for `bytes`
    /// of memory.
    pub(crate) fn begin(&self, name: &str, bytes: u64) -> Result<Part, ApiError> {
        check_name(name)?;
        let named = self.folder.join(name);
        if named.exists() {
            return Err(ApiError::new(
                ErrorCode::WrongState,
                format!(
                    "there is a snapshot {name} already: choose another name, or delete it with \
                     `coracle snapshot delete {name}`"
                ),
            ));
        }
        let folder = &self.folder;
        let available = platform::available_bytes(folder);
        let available = available.map_err(|error| self.failed("look at", &error))?;
        if available < bytes {
            return Err(ApiError::new(
                ErrorCode::Host,
                format!(
                    "there is no room in {} for the VM's memory ({} MiB, and {} MiB are free): free some \
                     space, or delete a snapshot",
                    folder.display(),
                    bytes >> 20,
                    available >> 20
                ),
            ));
        }
        let part = self.part(named);
        part.empty()
            .and_then(|()| fs::create_dir(&part.folder))
            .map_err(|error| self.failed("write", &error))?;
        Ok(part)
    }

    /// What is known of a snapshot. Without looking at its memory.
    pub(crate) fn read(&self, name: &str) -> Result<Entry, ApiError> {
        check_name(name)?;
        let damaged = |why: String| {
            ApiError::new(
                ErrorCode::WrongState,
                format!(
                    "the snapshot {name} is damaged ({why}) and cannot be restored: \
                     `coracle snapshot delete {name}` deletes it"
                ),
            )
        };
        match fs::read(self.folder.join(name).join(ENTRY)) {
            Ok(bytes) => Entry::decode(&bytes).map_err(damaged),
            Err(_) if !self.folder.join(name).exists() => Err(self.no_such(name)),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// Its memory's file.
    pub(crate) fn memory(&self, name: &str) -> PathBuf {
        self.folder.join(name).join(MEMORY)
    }

    /// Its configuration disk.
    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.folder.join(name).join(CONFIG)
    }

    /// The tags of all snapshots; an error when one of them cannot be read.
    pub(crate) fn tags(&self) -> Result<Tags, ApiError> {
        let names = self.names().map_err(|error| self.failed("read", &error))?;
        let tags = names.iter().map(|name| Ok(self.read(name)?.tag));
        tags.collect()
    }

    /// Deletes one, damaged or not. Its tag is left to who can reach the disk.
    pub(crate) fn delete(&self, name: &str) -> Result<(), ApiError> {
        check_name(name)?;
        if !self.folder.join(name).exists() {
            return Err(self.no_such(name));
        }
        if self.pending().as_deref() == Some(name) {
            return Err(ApiError::new(
                ErrorCode::WrongState,
                format!("the snapshot {name} is being restored: delete it when the VM runs"),
            ));
        }
        let part = self.part(self.folder.join(name));
        // Under its name it is whole or not there.
        let deleted = part
            .empty()
            .and_then(|()| fs::rename(&part.named, &part.folder))
            .and_then(|()| sync(&self.folder))
            .and_then(|()| part.empty());
        self.changes.fetch_add(1, Ordering::Relaxed);
        deleted.map_err(|error| self.failed("delete from", &error))
    }

    /// Deletes all.
    pub(crate) fn clear(&self) -> Result<(), ApiError> {
        let cleared = || {
            self.settle()?;
            for name in self.names()? {
                fs::remove_dir_all(self.folder.join(name))?;
            }
            Ok(())
        };
        let cleared = cleared();
        self.changes.fetch_add(1, Ordering::Relaxed);
        cleared.map_err(|error| self.failed("delete from", &error))
    }

    /// From now on the next start goes on from this snapshot, whatever happens to this process.
    pub(crate) fn intend(&self, name: &str) -> Result<(), ApiError> {
        self.read(name)?;
        let written = || {
            let part = self.folder.join(".restore.part");
            let mut file = platform::create_private_file(&part)?;
            file.write_all(name.as_bytes())?;
            file.sync_all()?;
            fs::rename(part, self.folder.join(RESTORE))?;
            sync(&self.folder)
        };
        written().map_err(|error| self.failed("write", &error))
    }

    /// The snapshot that the next start is to go on from.
    pub(crate) fn pending(&self) -> Option<String> {
        fs::read_to_string(self.folder.join(RESTORE)).ok()
    }

    /// That is done, or is not to be.
    pub(crate) fn settle(&self) -> io::Result<()> {
        match fs::remove_file(self.folder.join(RESTORE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync(&self.folder),
        }
    }

    /// Removes what a daemon that was killed has left half-done.
    pub(crate) fn tidy(&self) {
        drop(self.part(PathBuf::new()));
    }

    /// Of what is under a name, not by whom it was put there.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            let name = found.file_name().into_string();
            if let Ok(name) = name
                && check_name(&name).is_ok()
                && found.file_type()?.is_dir()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn no_such(&self, name: &str) -> ApiError {
        ApiError::new(
            ErrorCode::Missing,
            format!("there is no snapshot {name}: `coracle snapshot list` shows those there are"),
        )
    }

    fn failed(&self, verb: &str, error: &io::Error) -> ApiError {
        ApiError::host(format!("cannot {verb} {}", self.folder.display()), error)
    }
}

impl Listed {
    /// The list. One that cannot be read stays as it was, and is tried again the next time.
    pub(crate) fn now(&mut self, snapshots: &Snapshots) -> Vec<Snapshot> {
        let changes = snapshots.changes();
        if self.as_of != Some(changes) {
            match snapshots.list() {
                Ok(list) => (self.as_of, self.list) = (Some(changes), list),
                Err(error) => tracing::warn!(%error, "the snapshots are not known"),
            }
        }
        self.list.clone()
    }
}

const PART: &str = ".part";
const RESTORE: &str = ".restore";
const ENTRY: &str = "snapshot.json";
const MEMORY: &str = "memory";
const CONFIG: &str = "config.raw";

impl Part {
    /// Where its memory goes; the file does not exist.
    pub(crate) fn memory(&self) -> PathBuf {
        self.folder.join(MEMORY)
    }

    /// Takes a copy of the configuration disk.
    pub(crate) fn keep_config(&self, disk: &Path) -> io::Result<()> {
        let mut copy = platform::create_private_file(&self.folder.join(CONFIG))?;
        copy.write_all(&fs::read(disk)?)?;
        copy.sync_all()
    }

    /// Makes it count. Its memory is on the host's disk already.
    pub(crate) fn commit(self, entry: &Entry) -> Result<(), ApiError> {
        let written = || {
            let mut file = platform::create_private_file(&self.folder.join(ENTRY))?;
            file.write_all(&entry.encode())?;
            file.sync_all()?;
            sync(&self.folder)?;
            fs::rename(&self.folder, &self.named)?;
            self.named.parent().map_or(Ok(()), sync)
        };
        let written = written();
        self.changes.fetch_add(1, Ordering::Relaxed);
        let folder = self.named.display();
        written.map_err(|error| ApiError::host(format!("cannot write {folder}"), &error))
    }

    fn empty(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Err(error) = self.empty() {
            tracing::warn!(%error, "half a snapshot is left over");
        }
    }
}

/// A name is the name of a folder too.
fn check_name(name: &str) -> Result<(), ApiError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = name.len() <= 64
        && name.bytes().all(good)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric());
    fits.then_some(()).ok_or_else(|| {
        ApiError::new(
            ErrorCode::InvalidInput,
            format!(
                "a snapshot's name has 1 to 64 letters, digits, dots, dashes and underscores and begins with \
                 a letter or a digit; {name:?} does not"
            ),
        )
    })
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
