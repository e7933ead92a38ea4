//! From settings to a machine that can be started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_engine_proxy::MountPolicy;
use coracle_guest_api::boot::ShareMount;
use coracle_guest_api::{BootConfig, CONFIG_DISK, DATA_DISK, PROTOCOL_VERSION, ROOT_DISK};
use coracle_host_paths::HostPaths;
use coracle_vm_driver::{Disk, DriverError, HostSupport, Share, VmConfig};

use super::context::Sizes;
use crate::disks;
use crate::event::{Reporter, RunEvent};
use crate::image::Image;
use crate::options::Options;
use crate::settings::{Settings, certificates, check_share_exists};

/// A machine that can be started.
pub(crate) struct Prepared {
    pub(super) config: VmConfig,
    pub(super) secret: String,
    pub(super) host: HostSupport,
    pub(super) sizes: Sizes,
    pub(super) policy: MountPolicy,
}

/// Looks at the host and the image, makes disks and shares ready; reports
/// [`RunEvent::Prepared`].
pub(super) async fn run(
    options: Options,
    paths: HostPaths,
    settings: Settings,
    reporter: Reporter,
) {
    let prepared = prepare(options, paths, settings, &reporter).await;
    reporter
        .send(RunEvent::Prepared(prepared.map(Box::new)))
        .await;
}

async fn prepare(
    options: Options,
    paths: HostPaths,
    settings: Settings,
    reporter: &Reporter,
) -> Result<Prepared, ApiError> {
    let stage = |stage, text: &str| RunEvent::Stage(stage, text.into());
    reporter
        .send(stage(
            Stage::Checking,
            "Looking at the host and the VM image",
        ))
        .await;
    let image = Image::find(&options.image_dir)?;
    let host = options.driver.probe().await.map_err(driver_error)?;
    reporter
        .send(stage(Stage::Preparing, "Making disks and shares ready"))
        .await;
    let network = options.driver.guest_network();
    tokio::task::spawn_blocking(move || {
        let shares = shares(&settings.shares, paths.home())?;
        let boot = BootConfig {
            protocol: PROTOCOL_VERSION,
            secret: secret(),
            hostname: "coracle".into(),
            network,
            shares,
            engine: settings.engine.clone(),
            registry_ca: authorities(&settings.registry_ca)?,
        };
        disks::write_config(&paths.config_disk(), &boot)?;
        disks::prepare_data(&paths.data_disk(), settings.disk_gib)?;
        Ok(Prepared {
            config: machine(&image, &settings, &paths, &boot),
            secret: boot.secret,
            host,
            sizes: Sizes {
                image: image.version,
                cpus: settings.cpus,
                memory_mib: settings.memory_mib,
                shares: settings.shares.clone(),
            },
            policy: MountPolicy {
                shares: settings.shares,
                private: vec![paths.home().into()],
                engine_sockets: vec![paths.engine_socket()],
            },
        })
    })
    .await
    .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?
}

fn machine(image: &Image, settings: &Settings, paths: &HostPaths, boot: &BootConfig) -> VmConfig {
    let disk = |serial: &str, path: &Path, read_only| Disk {
        serial: serial.into(),
        path: path.into(),
        read_only,
    };
    VmConfig {
        name: "coracle".into(),
        cpus: settings.cpus,
        memory_mib: settings.memory_mib,
        kernel: image.kernel.clone(),
        initramfs: image.initramfs.clone(),
        // A guest whose kernel or first process has died ends, so that it can be started again.
        cmdline: "panic=-1".into(),
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

/// As it crosses the API.
pub(super) fn driver_error(error: DriverError) -> ApiError {
    let code = match error {
        DriverError::Missing(_) => ErrorCode::Missing,
        DriverError::Config(_) => ErrorCode::InvalidInput,
        DriverError::Start(_) | DriverError::Timeout { .. } => ErrorCode::VmFailed,
        DriverError::Io { .. } => ErrorCode::Host,
    };
    ApiError::new(code, error.to_string())
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
