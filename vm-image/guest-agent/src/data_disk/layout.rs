//! Which version of the disk's arrangement is on it, and how to bring an older one up to date.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::DataDiskError;

/// The arrangement that this image writes. Raise it with a step in [`STEPS`] whenever an
/// image of the version before could not use the disk any more.
const VERSION: u32 = 1;

/// Name of the file that holds the version as a decimal number and a newline.
const FILE: &str = "layout";

/// `STEPS[n]` brings a disk of version `n + 1` to `n + 2`. A step may be cut short and run again.
const STEPS: &[fn(&Path) -> io::Result<()>] = &[];

/// Migrates the mounted disk at `folder` if it is older; refuses a newer one.
pub(super) fn bring_up_to_date(folder: &Path) -> Result<(), DataDiskError> {
    migrate(folder, VERSION, STEPS)
}

fn migrate(
    folder: &Path,
    version: u32,
    steps: &[fn(&Path) -> io::Result<()>],
) -> Result<(), DataDiskError> {
    let failed = |source| DataDiskError::Io {
        what: "migrated",
        source,
    };
    let mut found = match read(folder).map_err(failed)? {
        Some(found) => found,
        None => {
            write(folder, version).map_err(failed)?;
            version
        }
    };
    if found > version {
        return Err(DataDiskError::Newer {
            found,
            known: version,
        });
    }
    while found < version {
        let step = steps.get(found.wrapping_sub(1) as usize).ok_or_else(|| {
            failed(io::Error::other(format!(
                "no way leads on from layout {found}"
            )))
        })?;
        tracing::info!(
            "migrating the data disk from layout {found} to {}",
            found + 1
        );
        step(folder).map_err(failed)?;
        found += 1;
        write(folder, found).map_err(failed)?;
    }
    Ok(())
}

/// The disk's version; `None` when it was never written.
fn read(folder: &Path) -> io::Result<Option<u32>> {
    match fs::read_to_string(folder.join(FILE)) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the layout file does not hold a number",
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file whole, so that a power cut leaves the old version or the new one.
fn write(folder: &Path, version: u32) -> io::Result<()> {
    let fresh = folder.join(format!("{FILE}.new"));
    let mut file = File::create(&fresh)?;
    writeln!(file, "{version}")?;
    file.sync_all()?;
    fs::rename(fresh, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_disk_is_marked_and_a_newer_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        bring_up_to_date(folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(VERSION));
        bring_up_to_date(folder.path()).unwrap();
        write(folder.path(), VERSION + 1).unwrap();
        let error = bring_up_to_date(folder.path()).unwrap_err().to_string();
        assert!(error.contains("update Coracle"), "{error}");
        assert_eq!(read(folder.path()).unwrap(), Some(VERSION + 1));
    }

    #[test]
    fn an_older_disk_goes_through_every_step_after_its_own() {
        fn note(folder: &Path, text: &str) -> io::Result<()> {
            let mut file = File::options()
                .create(true)
                .append(true)
                .open(folder.join("steps"))?;
            writeln!(file, "{text}")
        }
        let steps: &[fn(&Path) -> io::Result<()>] = &[
            |folder| note(folder, "1 to 2"),
            |folder| note(folder, "2 to 3"),
            |folder| note(folder, "3 to 4"),
        ];
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 2).unwrap();
        migrate(folder.path(), 4, steps).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("steps")).unwrap(),
            "2 to 3\n3 to 4\n"
        );
        assert_eq!(read(folder.path()).unwrap(), Some(4));
        fs::write(folder.path().join(FILE), "x").unwrap();
        assert!(migrate(folder.path(), 4, steps).is_err());
    }

    #[test]
    fn every_older_version_has_its_step() {
        assert_eq!(STEPS.len() as u32 + 1, VERSION);
    }
}
