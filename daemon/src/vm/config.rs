//! From settings to what the guest is told and to the machine it runs on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_guest_api::boot::{NetworkConfig, ShareMount};
use coracle_guest_api::{BootConfig, CONFIG_DISK, DATA_DISK, PROTOCOL_VERSION, ROOT_DISK};
use coracle_host_paths::HostPaths;
use coracle_vm_driver::{Disk, Share, VmConfig};

use crate::engine::configuration;
use crate::image::Image;
use crate::platform;
use crate::settings::{Settings, certificates, check_share_exists};

/// What the guest's kernel is told: a guest whose kernel or first process has died ends, so that it can
/// be started again; free memory is given back in pieces of 2^5 pages, 128 KiB.
const KERNEL: &str = "panic=-1 page_reporting.page_reporting_order=5";

/// What the guest is to be told, with a fresh secret, and the machine.
pub(super) fn configure(
    image: &Image,
    settings: &Settings,
    paths: &HostPaths,
    network: NetworkConfig,
) -> Result<(BootConfig, VmConfig), ApiError> {
    let boot = BootConfig {
        protocol: PROTOCOL_VERSION,
        secret: secret(),
        hostname: "coracle".into(),
        network,
        shares: shares(&settings.shares, paths.home())?,
        share_files: platform::descriptor_limit()
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?,
        engine: settings.engine.clone(),
        engine_before: configuration::before(&paths.engine_config(), &settings.engine),
        registry_ca: authorities(&settings.registry_ca)?,
    };
    let config = machine(image, settings, paths, &boot);
    Ok((boot, config))
}

fn machine(image: &Image, settings: &Settings, paths: &HostPaths, boot: &BootConfig) -> VmConfig {
    let disk = |serial: &str, path: &Path, read_only| Disk {
        serial: serial.into(),
        path: path.into(),
        layer: None,
        read_only,
    };
    VmConfig {
        name: "coracle".into(),
        cpus: settings.cpus,
        memory_mib: settings.memory_mib,
        kernel: image.kernel.clone(),
        initramfs: image.initramfs.clone(),
        cmdline: KERNEL.into(),
        disks: vec![
            disk(ROOT_DISK, &image.root, true),
            disk(CONFIG_DISK, &paths.config_disk(), true),
            disk(DATA_DISK, &paths.data_disk(), false),
        ],
        shares: boot
            .shares
            .iter()
            .map(|share| Share {
                tag: share.tag.clone(),
                path: share.path.clone().into(),
                read_only: share.read_only,
            })
            .collect(),
        console_log: paths.console_log(),
        runtime_dir: paths.run_dir(),
    }
}

/// The shares as the agent mounts them, the daemon's own state covered.
fn shares(folders: &[PathBuf], state: &Path) -> Result<Vec<ShareMount>, ApiError> {
    let wrong = |why| ApiError::new(ErrorCode::InvalidInput, format!("the setting shares {why}"));
    folders
        .iter()
        .enumerate()
        .map(|(index, folder)| {
            check_share_exists(folder).map_err(wrong)?;
            let path = |path: &Path| {
                path.to_str()
                    .map(str::to_owned)
                    .ok_or_else(|| wrong(format!("names {}, which is not UTF-8", path.display())))
            };
            Ok(ShareMount {
                tag: format!("share{index}"),
                path: path(folder)?,
                read_only: false,
                masks: mask(folder, state)
                    .as_deref()
                    .map(path)
                    .into_iter()
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

/// The certificate authorities of registries, read now.
fn authorities(files: &BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, String>, ApiError> {
    let read = |(registry, file): (&String, &PathBuf)| match certificates(file) {
        Ok(text) => Ok((registry.clone(), text)),
        Err(why) => Err(ApiError::new(
            ErrorCode::InvalidInput,
            format!("the setting registry.ca {why}"),
        )),
    };
    files.iter().map(read).collect()
}

/// Where the state folder is within a share, by whatever name it is reached.
fn mask(share: &Path, state: &Path) -> Option<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    let inside = real(state).strip_prefix(real(share)).ok()?.to_owned();
    Some(share.join(inside))
}

fn secret() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_covered_wherever_it_lies_in_a_share() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        let state = real.join("u/.coracle");
        let other = folder.path().join("other");
        let link = folder.path().join("link");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let shares = shares(&[real, link.clone(), other], &state).unwrap();
        let masks: Vec<_> = shares.iter().map(|share| &share.masks[..]).collect();
        assert_eq!(masks[0], [state.to_str().unwrap()]);
        assert_eq!(masks[1], [link.join("u/.coracle").to_str().unwrap()]);
        assert!(masks[2].is_empty());
    }

    #[test]
    fn a_share_that_has_gone_is_named() {
        let gone = PathBuf::from("/nonexistent/src");
        let error = shares(&[gone], Path::new("/state")).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
        assert!(error.message.contains("/nonexistent/src"), "{error}");
    }

    #[test]
    fn secrets_are_long_and_fresh() {
        assert_eq!(secret().len(), 64);
        assert_ne!(secret(), secret());
    }
}
