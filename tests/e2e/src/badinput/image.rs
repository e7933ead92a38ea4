use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use super::refuses;

/// A data disk with something on it, to be there afterwards.
fn data_disk(coracle: &Coracle) -> Result<(PathBuf, Vec<u8>)> {
    let file = coracle.paths().data_disk();
    let bytes = b"precious".repeat(1000);
    fs::write(&file, &bytes)?;
    Ok((file, bytes))
}

/// Starts in vain; the data disk stays as it was.
fn refused(coracle: &Coracle, image: &Path, parts: &[&str]) -> Result<()> {
    let (disk, bytes) = data_disk(coracle)?;
    // The daemon has the folder from its environment.
    coracle.coracle(["stop", "--quit"]).ok()?;
    coracle.use_image(image);
    refuses(coracle.coracle(["start"]), 5, parts)?;
    ensure!(fs::read(&disk)? == bytes, "the data disk was changed");
    Ok(())
}

/// The image, each file a link to the true one.
fn copy(coracle: &Coracle) -> Result<PathBuf> {
    let folder = coracle.work("image")?;
    for entry in fs::read_dir(&coracle.places().image)? {
        let entry = entry?;
        let file = entry.path().canonicalize()?;
        symlink(file, folder.join(entry.file_name()))?;
    }
    Ok(folder)
}

pub(super) fn missing_image(coracle: &Coracle) -> Result<()> {
    let folder = coracle.home().join("nowhere");
    let named = folder.display().to_string();
    refused(coracle, &folder, &[&named, "`cargo xtask image`"])
}

pub(super) fn truncated_image(coracle: &Coracle) -> Result<()> {
    for name in ["vmlinuz", "initramfs.img", "root.squashfs"] {
        let folder = copy(coracle)?;
        let file = folder.join(name);
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        fs::remove_file(&file)?;
        // By a single block, as a download that broke off.
        let cut = bytes.len() - 4096;
        fs::write(&file, &bytes[..cut])?;
        let (is, should) = (cut.to_string(), bytes.len().to_string());
        refused(
            coracle,
            &folder,
            &[name, &is, &should, "`cargo xtask image`"],
        )?;
    }
    Ok(())
}

pub(super) fn damaged_manifest(coracle: &Coracle) -> Result<()> {
    for text in ["", "{\"version\": ", "[]"] {
        let folder = copy(coracle)?;
        let file = folder.join("manifest.json");
        fs::remove_file(&file)?;
        fs::write(&file, text)?;
        refused(
            coracle,
            &folder,
            &["manifest.json", "damaged", "`cargo xtask image`"],
        )?;
    }
    Ok(())
}
