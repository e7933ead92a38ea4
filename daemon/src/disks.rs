//! The VM's disks that the daemon writes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use coracle_daemon_api::ApiError;
use coracle_guest_api::BootConfig;

use crate::platform;

/// Writes the configuration disk, readable by this user alone: it holds the secret.
pub(crate) fn write_config(path: &Path, config: &BootConfig) -> Result<(), ApiError> {
    platform::create_private_file(path)
        .and_then(|mut file| file.write_all(&config.to_disk()))
        .map_err(|error| failed("write", path, &error))
}

/// The secret on the configuration disk, if all else on it is as in `config`.
pub(crate) fn secret_of_same_boot(path: &Path, config: &BootConfig) -> Option<String> {
    let found = BootConfig::from_disk(&fs::read(path).ok()?).ok()?;
    let same = BootConfig {
        secret: found.secret.clone(),
        ..config.clone()
    };
    (found.to_disk() == same.to_disk()).then_some(found.secret)
}

/// Takes the configuration disk away; its secret has no use any more.
pub(crate) fn remove_config(path: &Path) {
    if let Err(error) = remove(path) {
        tracing::warn!(%error, "cannot remove the configuration disk");
    }
}

/// Makes the data disk, a sparse file, or lets it grow. A larger one stays as it is:
/// cutting it off would destroy what the engine holds.
pub(crate) fn prepare_data(path: &Path, gib: u64) -> Result<(), ApiError> {
    let wanted = gib << 30;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .and_then(|file| {
            platform::make_private(path)?;
            if file.metadata()?.len() < wanted {
                file.set_len(wanted)?;
            }
            Ok(())
        })
        .map_err(|error| failed("prepare the data disk", path, &error))
}

/// Deletes the data disk and with it everything the engine holds.
pub(crate) fn delete_data(path: &Path) -> Result<(), ApiError> {
    remove(path).map_err(|error| failed("delete the data disk", path, &error))
}

/// Size of the data disk and what its file truly takes, in bytes; zeros when there is none.
pub(crate) fn data_size(path: &Path) -> (u64, u64) {
    fs::metadata(path).map_or((0, 0), |metadata| {
        (metadata.len(), platform::allocated_bytes(&metadata))
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> ApiError {
    ApiError::host(format!("cannot {verb} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_disk_is_sparse_and_only_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.raw");
        assert_eq!(data_size(&path), (0, 0));
        for (wanted, is) in [(4, 4), (6, 6), (5, 6)] {
            prepare_data(&path, wanted).unwrap();
            assert_eq!(data_size(&path).0, is << 30);
            assert!(data_size(&path).1 < 1 << 20);
        }
        delete_data(&path).unwrap();
        delete_data(&path).unwrap();
        assert!(prepare_data(folder.path(), 4).is_err());
    }
}
