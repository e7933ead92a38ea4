//! The VM image: kernel, initramfs and root file system with their manifest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use coracle_daemon_api::{ApiError, ErrorCode};
use serde::Deserialize;

/// What the daemon uses of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) version: String,
    /// Version and digests of its files: memory of a VM of another image does not fit.
    pub(crate) identity: String,
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    pub(crate) root: PathBuf,
}

#[derive(Deserialize)]
struct Manifest {
    version: String,
    arch: String,
    /// Of each file, in bytes.
    #[serde(default)]
    sizes: BTreeMap<String, u64>,
    /// SHA-256 of each file.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

impl Image {
    /// Finds the image in `folder`. It must be for this architecture, and no file may have been cut off;
    /// the guest itself finds finer damage.
    pub(crate) fn find(folder: &Path) -> Result<Self, ApiError> {
        let missing = |why: String| {
            ApiError::new(
                ErrorCode::Missing,
                format!(
                    "{why}; `cargo xtask image` makes the VM image anew, CORACLE_IMAGE_DIR chooses another one"
                ),
            )
        };
        let path = folder.join("manifest.json");
        let text = fs::read(&path)
            .map_err(|error| missing(format!("cannot read {} ({error})", path.display())))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| missing(format!("{} is damaged ({error})", path.display())))?;
        if manifest.arch != std::env::consts::ARCH {
            return Err(missing(format!(
                "the VM image in {} is for {}, and this host is {}",
                folder.display(),
                manifest.arch,
                std::env::consts::ARCH
            )));
        }
        let file = |name: &str, least: u64| {
            let path = folder.join(name);
            match fs::metadata(&path) {
                Ok(metadata) => {
                    let (is, should) = (metadata.len(), manifest.sizes.get(name));
                    match should {
                        Some(should) if is != *should => Err(missing(format!(
                            "{} is damaged: it has {is} bytes, and should have {should}",
                            path.display()
                        ))),
                        None if is < least => {
                            Err(missing(format!("{} has only {is} bytes", path.display())))
                        }
                        _ => Ok(path),
                    }
                }
                Err(error) => Err(missing(format!("cannot read {} ({error})", path.display()))),
            }
        };
        let digests = manifest.files.values().map(String::as_str);
        let identity: Vec<_> = [manifest.version.as_str()]
            .into_iter()
            .chain(digests)
            .collect();
        Ok(Self {
            identity: identity.join(" "),
            version: manifest.version,
            kernel: file("vmlinuz", 1 << 20)?,
            initramfs: file("initramfs.img", 64 << 10)?,
            root: file("root.squashfs", 1 << 20)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_cut_off_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let find = || Image::find(folder.path());
        let refused = |what: &str| {
            let error = find().unwrap_err();
            assert_eq!(error.code, ErrorCode::Missing);
            assert!(error.message.contains(what), "{error}");
            assert!(error.message.contains("cargo xtask image"));
        };
        refused("manifest.json");
        let manifest = folder.path().join("manifest.json");
        fs::write(&manifest, "{").unwrap();
        refused("damaged");
        fs::write(&manifest, r#"{"version": "1", "arch": "pdp11"}"#).unwrap();
        refused("pdp11");
        let arch = std::env::consts::ARCH;
        fs::write(
            &manifest,
            format!(r#"{{"version": "1", "arch": "{arch}"}}"#),
        )
        .unwrap();
        for name in ["vmlinuz", "initramfs.img", "root.squashfs"] {
            refused(name);
            let file = fs::File::create(folder.path().join(name)).unwrap();
            refused("only 0 bytes");
            file.set_len(2 << 20).unwrap();
        }
        assert_eq!(find().unwrap().version, "1");
        let sized =
            format!(r#"{{"version": "1", "arch": "{arch}", "sizes": {{"vmlinuz": 2097153}}}}"#);
        fs::write(&manifest, sized).unwrap();
        refused("vmlinuz is damaged: it has 2097152 bytes, and should have 2097153");
    }
}
