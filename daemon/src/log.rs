//! Logs: the daemon's own, and files that are kept short.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// At this size a log is put aside under the name `<log>.1`, in place of the one before.
pub const LIMIT: u64 = 10 << 20;

/// Sends what the daemon says to `path`, and to stderr if a person reads there. The variable
/// `CORACLE_LOG` filters it (`info` by default).
pub fn start(path: &Path) -> io::Result<()> {
    rotate(path, LIMIT)?;
    let file = append(path)?;
    let filter = EnvFilter::try_from_env("CORACLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let to_file = fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
    let to_person = io::stderr()
        .is_terminal()
        .then(|| fmt::layer().with_writer(io::stderr));
    tracing_subscriber::registry()
        .with(filter)
        .with(to_file)
        .with(to_person)
        .try_init()
        .map_err(io::Error::other)
}

/// Puts a log aside that has reached `limit` bytes.
pub(crate) fn rotate(path: &Path, limit: u64) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() >= limit => fs::rename(path, aside(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A log that is put aside whenever it has reached its limit.
pub(crate) struct RotatingLog {
    path: PathBuf,
    limit: u64,
    file: File,
    length: u64,
}

impl RotatingLog {
    /// Goes on with the file at `path`.
    pub(crate) fn open(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = append(&path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            limit,
            file,
            length,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.length >= self.limit {
            fs::rename(&self.path, aside(&self.path))?;
            self.file = append(&self.path)?;
            self.length = 0;
        }
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    crate::platform::make_private(path)?;
    Ok(file)
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_takes_more_than_twice_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = RotatingLog::open(path.clone(), 10).unwrap();
        for line in ["12345\n", "67890\n", "abc\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "abc\n");
        assert_eq!(fs::read_to_string(aside(&path)).unwrap(), "12345\n67890\n");
        drop(log);
        RotatingLog::open(path.clone(), 10)
            .unwrap()
            .write(b"d\n")
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "abc\nd\n");
    }
}
