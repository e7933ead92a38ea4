//! The memory of a suspended VM, on the disk.
//!
//! A memory counts for as long as its record (`memory.json`) is there. The record is written last and as
//! a whole, when memory and data disk are on the disk, and taken away first, before the guest goes
//! on: after that the data disk is newer than the memory. So a process that is killed at any
//! moment leaves a memory that fits its disk, or none.

mod checksum;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::HostPaths;

use crate::{disks, platform};

pub(crate) use record::{DiskStamp, Fit, Greeting, Record, Token};

/// The folder of the memory, and the data disk that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct SavedMemory {
    folder: PathBuf,
    data_disk: PathBuf,
}

impl SavedMemory {
    pub(crate) fn new(paths: &HostPaths) -> Self {
        Self {
            folder: paths.memory_dir(),
            data_disk: paths.data_disk(),
        }
    }

    /// Whether a suspended VM waits.
    pub(crate) fn exists(&self) -> bool {
        self.record().exists()
    }

    /// What is known of the memory, if there is any; the error says what is wrong with it.
    pub(crate) fn read(&self) -> Option<Result<Record, String>> {
        match fs::read(self.record()) {
            Ok(bytes) => Some(
                Record::decode(&bytes).map_err(|error| format!("its record is damaged ({error})")),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(format!("its record cannot be read ({error})"))),
        }
    }

    /// The file to load from.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("memory")
    }

    /// The file to save to; it does not exist.
    pub(crate) fn new_file(&self) -> io::Result<PathBuf> {
        let part = self.folder.join("memory.part");
        remove(&part)?;
        Ok(part)
    }

    /// Refuses when there is no room for `bytes`, which is at most what will be written.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), ApiError> {
        let available = platform::available_bytes(&self.folder)
            .map_err(|error| self.failed("look at", &error))?;
        if available >= bytes {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::Host,
            format!(
                "there is no room in {} for the VM's memory ({} MiB, and {} MiB are free): free some space, \
                 or use `coracle stop --shutdown`",
                self.folder.display(),
                bytes >> 20,
                available >> 20
            ),
        ))
    }

    /// Makes a written [`new_file`](Self::new_file) count: everything is on the disk when this returns.
    /// The driver checks the first `checked_bytes` of it for damage.
    pub(crate) fn commit(
        &self,
        fit: Fit,
        token: Token,
        checked_bytes: u64,
    ) -> Result<(), ApiError> {
        self.try_commit(fit, token, checked_bytes)
            .map_err(|error| self.failed("write the VM's memory to", &error))
    }

    fn try_commit(&self, fit: Fit, token: Token, checked_bytes: u64) -> io::Result<()> {
        // What was set aside was of use only until here.
        self.remove_aside()?;
        let part = self.folder.join("memory.part");
        let disk = disks::written(&self.data_disk);
        let greeting = Greeting {
            token,
            recall: false,
        };
        let record = sealed(&part, &disk, fit, greeting, checked_bytes)?;
        fs::rename(&part, self.file())?;
        self.write_record(&record)
    }

    fn write_record(&self, record: &Record) -> io::Result<()> {
        let part = self.folder.join("memory.json.part");
        let mut file = platform::create_private_file(&part)?;
        file.write_all(&record.encode())?;
        file.sync_all()?;
        fs::rename(&part, self.record())?;
        self.sync()
    }

    /// Makes the memory of a snapshot count, whose disk the data disk is now. The snapshot keeps it too.
    pub(crate) fn adopt(&self, memory: &Path, mut record: Record, disk_gib: u64) -> io::Result<()> {
        remove(&self.record())?;
        remove(&self.file())?;
        self.sync()?;
        let disk = disks::written(&self.data_disk);
        File::open(&disk)?.sync_all()?;
        record.disk = DiskStamp::of(&disk)?;
        record.fit.disk_gib = disk_gib;
        // One file under two names: it is only read.
        fs::hard_link(memory, self.file())?;
        self.write_record(&record)
    }

    /// Whether the memory is as it was written; the error says what is wrong with it.
    pub(crate) fn verify(&self, record: &Record) -> Result<(), String> {
        verify(&self.file(), record)
    }

    /// Why memory with this record must not meet the data disk that there is.
    pub(crate) fn disk_misfit(&self, record: &Record) -> Option<&'static str> {
        let disk = disks::written(&self.data_disk);
        let fits = DiskStamp::of(&disk).is_ok_and(|now| now == record.disk);
        (!fits).then_some("the data disk is not the one that it was suspended with")
    }

    /// From now on the memory does not count any more, whatever happens: the guest may go on.
    pub(crate) fn consume(&self) -> io::Result<()> {
        fs::remove_file(self.record())?;
        self.sync()
    }

    /// Deletes what counts no more.
    pub(crate) fn delete(&self) -> io::Result<()> {
        remove(&self.record())?;
        remove(&self.file())
    }

    /// Keeps a memory that was not resumed for who wants to know why, until the next one is saved.
    pub(crate) fn set_aside(&self) -> io::Result<()> {
        self.remove_aside()?;
        for (file, aside) in [(self.record(), "aside.json"), (self.file(), "aside")] {
            match fs::rename(&file, self.folder.join(aside)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync()
    }

    /// Removes what a daemon that was killed has left half-done; a sentence about it, if there was
    /// something.
    pub(crate) fn tidy(&self) -> io::Result<Option<&'static str>> {
        let mut said = None;
        for (name, sentence) in [
            (
                "memory.part",
                "The VM was not suspended to the end: it boots from its data disk.",
            ),
            ("memory.json.part", ""),
        ] {
            let part = self.folder.join(name);
            if part.exists() {
                said = said.or(Some(sentence).filter(|sentence| !sentence.is_empty()));
                remove(&part)?;
            }
        }
        if !self.exists() && self.file().exists() {
            said = said.or(Some(
                "The VM was not suspended or resumed to the end: it boots from its data disk.",
            ));
            remove(&self.file())?;
        }
        Ok(said)
    }

    fn record(&self) -> PathBuf {
        self.folder.join("memory.json")
    }

    fn remove_aside(&self) -> io::Result<()> {
        remove(&self.folder.join("aside.json"))?;
        remove(&self.folder.join("aside"))
    }

    fn sync(&self) -> io::Result<()> {
        OpenOptions::new().read(true).open(&self.folder)?.sync_all()
    }

    fn failed(&self, verb: &str, error: &io::Error) -> ApiError {
        ApiError::host(format!("cannot {verb} {}", self.folder.display()), error)
    }
}

/// The record of a written memory and the disk that it was saved with; both are on the host's disk then. The
/// driver checks the first `checked_bytes` of it for damage.
pub(crate) fn sealed(
    memory: &Path,
    disk: &Path,
    fit: Fit,
    greeting: Greeting,
    checked_bytes: u64,
) -> io::Result<Record> {
    let file = File::open(memory)?;
    platform::make_private(memory)?;
    let (synced, checksum) = std::thread::scope(|scope| {
        let synced = scope.spawn(|| {
            file.sync_all()?;
            File::open(disk)?.sync_all()
        });
        let checksum = checksum::of(memory, checked_bytes);
        let synced = synced.join();
        (synced, checksum)
    });
    synced.map_err(|_| io::Error::other("the thread that syncs panicked"))??;
    let Greeting { token, recall } = greeting;
    Ok(Record {
        version: record::VERSION,
        fit,
        token,
        recall,
        disk: DiskStamp::of(disk)?,
        bytes: file.metadata()?.len(),
        checked_bytes,
        checksum: checksum?,
    })
}

/// Whether a memory is the one of its record; the error says what is wrong with it.
pub(crate) fn verify(memory: &Path, record: &Record) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("its memory cannot be read ({error})");
    let length = fs::metadata(memory).map_err(unreadable)?.len();
    if length != record.bytes {
        let whole = record.bytes;
        return Err(format!(
            "its memory is damaged: {length} bytes instead of {whole}"
        ));
    }
    match checksum::of(memory, record.checked_bytes).map_err(unreadable)? {
        checksum if checksum == record.checksum => Ok(()),
        _ => Err("its memory is damaged: the checksum is wrong".into()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
