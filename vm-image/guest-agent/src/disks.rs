//! The VM's disks, found by their serial numbers.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coracle_guest_api::{BootConfig, CONFIG_DISK, PROTOCOL_VERSION};

/// How long a disk may take to appear after its driver was loaded.
const APPEARS_WITHIN: Duration = Duration::from_secs(30);

/// The longest boot configuration that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Why a disk could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// No disk has this serial number.
    #[error("the VM has no disk with the serial number `{0}`")]
    Missing(&'static str),
    /// It could not be read.
    #[error("the disk `{serial}` cannot be read: {source}")]
    Read {
        /// Its serial number.
        serial: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The configuration disk does not hold a boot configuration.
    #[error("the boot configuration is malformed: {0}")]
    Config(#[from] serde_json::Error),
    /// The configuration is another daemon's.
    #[error(
        "the boot configuration has version {found}, this image knows {PROTOCOL_VERSION}: update both together"
    )]
    Protocol {
        /// The configuration's version.
        found: u32,
    },
}

/// Waits for the disk with this serial number; the path of its device node.
pub(crate) fn wait_for(serial: &'static str) -> Result<PathBuf, DiskError> {
    let deadline = Instant::now() + APPEARS_WITHIN;
    loop {
        if let Some(name) = named(Path::new("/sys/block"), serial) {
            return Ok(Path::new("/dev").join(name));
        }
        if Instant::now() >= deadline {
            return Err(DiskError::Missing(serial));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads the boot configuration from its disk.
pub(crate) fn boot_config() -> Result<BootConfig, DiskError> {
    let path = wait_for(CONFIG_DISK)?;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|disk| disk.take(MAX_CONFIG).read_to_end(&mut bytes))
        .map_err(|source| DiskError::Read {
            serial: CONFIG_DISK,
            source,
        })?;
    // The version comes first: another version's text need not fit the type.
    #[derive(serde::Deserialize)]
    struct Version {
        protocol: u32,
    }
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let version: Version = serde_json::from_slice(&bytes[..end])?;
    if version.protocol != PROTOCOL_VERSION {
        return Err(DiskError::Protocol {
            found: version.protocol,
        });
    }
    Ok(BootConfig::from_disk(&bytes)?)
}

/// The block device below `folder` (`/sys/block`) whose serial number is `serial`.
fn named(folder: &Path, serial: &str) -> Option<String> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let found = std::fs::read_to_string(entry.path().join("serial")).ok()?;
        (found.trim() == serial).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_by_its_whole_serial() {
        let folder = tempfile::tempdir().unwrap();
        for (name, serial) in [("vda", "database\n"), ("vdb", "data"), ("loop0", "")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("serial"), serial).unwrap();
        }
        std::fs::create_dir(folder.path().join("zram0")).unwrap();
        assert_eq!(named(folder.path(), "data").as_deref(), Some("vdb"));
        assert_eq!(named(folder.path(), "root"), None);
    }
}
