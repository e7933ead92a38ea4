//! The VM's disks that the daemon writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use coracle_daemon_api::ApiError;
use coracle_guest_api::BootConfig;

use crate::platform;

/// Writes the configuration disk, readable by this user alone: it holds the secret.
pub(crate) fn write_config(path: &Path, config: &BootConfig) -> Result<(), ApiError> {
    platform::create_private_file(path)
        .and_then(|mut file| file.write_all(&config.to_disk()))
        .map_err(|error| failed("write", path, &error))
}

/// Takes the configuration disk of an earlier boot again.
pub(crate) fn copy_config(from: &Path, path: &Path) -> io::Result<()> {
    let bytes = fs::read(from)?;
    let mut file = platform::create_private_file(path)?;
    file.write_all(&bytes)?;
    file.sync_all()
}

/// The secret on the configuration disk, if all else on it is as in `config`.
pub(crate) fn secret_of_same_boot(path: &Path, config: &BootConfig) -> Option<String> {
    let found = BootConfig::from_disk(&fs::read(path).ok()?).ok()?;
    let same = BootConfig {
        secret: found.secret.clone(),
        // The engine has come up meanwhile.
        engine_before: found.engine_before.clone(),
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

/// Where the layer over a data disk is, once there has been a snapshot.
pub(crate) fn layer(path: &Path) -> PathBuf {
    path.with_extension("qcow2")
}

/// The layer over a data disk, if there is one.
pub(crate) fn present_layer(path: &Path) -> Option<PathBuf> {
    Some(layer(path)).filter(|layer| layer.exists())
}

/// The file of the data disk that the guest's writes go to.
pub(crate) fn written(path: &Path) -> PathBuf {
    present_layer(path).unwrap_or_else(|| path.into())
}

/// Gives a whole layer its name.
pub(crate) fn name_layer(part: &Path, layer: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, layer)?;
    sync_folder(layer)
}

/// Takes away a layer that is merged into its disk, which is on the host's disk first. When this returns the layer
/// stays away: merged again, it would put what was there before over what is there since.
pub(crate) fn remove_layer(path: &Path) -> Result<(), ApiError> {
    File::open(path)
        .and_then(|disk| disk.sync_all())
        .and_then(|()| remove(&layer(path)))
        .and_then(|()| sync_folder(path))
        .map_err(|error| failed("finish the data disk", path, &error))
}

/// Deletes the data disk and with it everything the engine holds.
pub(crate) fn delete_data(path: &Path) -> Result<(), ApiError> {
    remove(&layer(path))
        .and_then(|()| remove(path))
        .and_then(|()| sync_folder(path))
        .map_err(|error| failed("delete the data disk", path, &error))
}

/// Size of the data disk and what its files truly take, in bytes; zeros when there is none.
pub(crate) fn data_size(path: &Path) -> (u64, u64) {
    let Ok(disk) = fs::metadata(path) else {
        return (0, 0);
    };
    let mut size = (disk.len(), platform::allocated_bytes(&disk));
    if let Some(layer) = present_layer(path) {
        size.0 = layer_size(&layer).unwrap_or(size.0);
        size.1 += fs::metadata(&layer).map_or(0, |layer| platform::allocated_bytes(&layer));
    }
    size
}

/// The size that the guest sees of a layer, from the header of its format (qcow2): after the magic, a big-endian
/// number of bytes.
fn layer_size(path: &Path) -> Option<u64> {
    let mut header = [0; 32];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let size: [u8; 8] = header[24..].try_into().ok()?;
    header
        .starts_with(b"QFI\xfb")
        .then(|| u64::from_be_bytes(size))
}

/// Has the host's disk know which files there are beside this one.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| folder.exists());
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
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

    #[test]
    fn a_layer_counts_with_the_disk_under_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.raw");
        prepare_data(&path, 4).unwrap();
        assert_eq!(written(&path), path);
        let (_, alone) = data_size(&path);
        let mut bytes = vec![7; 1 << 16];
        bytes[..4].copy_from_slice(b"QFI\xfb");
        bytes[24..32].copy_from_slice(&(6_u64 << 30).to_be_bytes());
        fs::write(layer(&path), &bytes).unwrap();
        File::open(layer(&path)).unwrap().sync_all().unwrap();
        assert_eq!(written(&path), layer(&path));
        let (size, used) = data_size(&path);
        assert_eq!(size, 6 << 30);
        assert!(used >= alone + (1 << 16), "{used} after {alone}");
        // One that is damaged says nothing of a size.
        fs::write(layer(&path), &bytes[1..]).unwrap();
        assert_eq!(data_size(&path).0, 4 << 30);
        delete_data(&path).unwrap();
        assert!(!layer(&path).exists());
        assert_eq!(data_size(&path), (0, 0));
    }
}
