//! From settings to a machine that can be started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_engine_proxy::MountPolicy;
use coracle_guest_api::boot::{NetworkConfig, ShareMount};
use coracle_guest_api::{BootConfig, CONFIG_DISK, DATA_DISK, PROTOCOL_VERSION, ROOT_DISK};
use coracle_host_paths::HostPaths;
use coracle_vm_driver::{Disk, DriverError, HostSupport, Layers, Share, VmConfig};

use super::context::Sizes;
use super::restore::restore_pending;
use crate::disks;
use crate::event::{Reporter, RunEvent};
use crate::image::Image;
use crate::memory::{Fit, Record, SavedMemory};
use crate::options::Options;
use crate::platform;
use crate::settings::{Settings, certificates, check_share_exists};
use crate::snapshots::Snapshots;

/// What the guest's kernel is told: a guest whose kernel or first process has died ends, so that it can
/// be started again; free memory is given back in pieces of 2^5 pages, 128 KiB.
const KERNEL: &str = "panic=-1 page_reporting.page_reporting_order=5";

/// A machine that can be started.
pub(crate) struct Prepared {
    pub(super) config: VmConfig,
    pub(super) secret: String,
    /// What memory saved of it will fit; None where it cannot be saved.
    pub(super) fit: Option<Fit>,
    /// Saved memory that fits.
    pub(super) memory: Option<Record>,
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
    await_disk(&options, &paths).await?;
    restore_pending(&options, &paths, &settings, reporter).await?;
    let image = Image::find(&options.image_dir)?;
    let host = options.driver.probe().await.map_err(driver_error)?;
    reporter
        .send(stage(Stage::Preparing, "Making disks and shares ready"))
        .await;
    let network = options.driver.guest_network();
    let (image_now, settings_now, home) = (image.clone(), settings.clone(), paths.clone());
    let planned = blocking(move || plan(&image_now, &settings_now, &home, network)).await?;
    let (boot, mut config) = planned;
    let fit = fit(&options, &image, &host, &config, settings.disk_gib).await?;
    let memory = SavedMemory::new(&paths);
    let (fit_now, looking) = (fit.clone(), memory.clone());
    let (boot_now, home) = (boot.clone(), paths.clone());
    let found = blocking(move || Ok(find(&looking, fit_now.as_ref(), &boot_now, &home))).await?;
    let (secret, record) = match found {
        Found::Fitting { record, secret } => (secret, Some(*record)),
        found => {
            if let Found::Misfit(why) = found {
                let said = set_aside(&memory, &why);
                tracing::warn!("{said}");
                reporter.send(stage(Stage::Preparing, &said)).await;
            }
            prepare_data(&options, &paths, settings.disk_gib, reporter).await?;
            let config_disk = paths.config_disk();
            blocking(move || {
                disks::write_config(&config_disk, &boot)?;
                Ok((boot.secret, None))
            })
            .await?
        }
    };
    for disk in config.disks.iter_mut().filter(|disk| !disk.read_only) {
        disk.layer = disks::present_layer(&disk.path);
    }
    Ok(Prepared {
        config,
        secret,
        fit,
        memory: record,
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
}

/// The VM of a daemon that was killed may still be on its way to its end. The one place to wait for that: before a
/// restore, a merge or a start touch the data disk.
async fn await_disk(options: &Options, paths: &HostPaths) -> Result<(), ApiError> {
    let disk = paths.data_disk();
    for file in [disks::layer(&disk), disk] {
        let released = options.driver.await_released(&file).await;
        released.map_err(driver_error)?;
    }
    Ok(())
}

/// Makes the data disk, or lets it grow. What deleted snapshots have left in it goes.
async fn prepare_data(
    options: &Options,
    paths: &HostPaths,
    gib: u64,
    reporter: &Reporter,
) -> Result<(), ApiError> {
    let disk = paths.data_disk();
    if let (Some(layer), Some(layers)) = (disks::present_layer(&disk), options.driver.layers()) {
        if let Err(error) = tidy_layer(layers, &layer, paths, reporter).await {
            // The VM boots from it all the same.
            let said = format!("The data disk keeps what deleted snapshots have left: {error}");
            tracing::warn!("{said}");
            let event = RunEvent::Stage(Stage::Preparing, said);
            reporter.send(event).await;
        }
        if layer.exists() {
            return match disks::data_size(&disk).0 < gib << 30 {
                true => layers.grow(&layer, gib << 30).await.map_err(driver_error),
                false => Ok(()),
            };
        }
    }
    blocking(move || disks::prepare_data(&disk, gib)).await
}

async fn tidy_layer(
    layers: &dyn Layers,
    layer: &Path,
    paths: &HostPaths,
    reporter: &Reporter,
) -> Result<(), ApiError> {
    let tags = Snapshots::new(paths).tags()?;
    layers.keep(layer, &tags).await.map_err(driver_error)?;
    if !tags.is_empty() {
        return Ok(());
    }
    let said = "Merging the data disk: there are no snapshots any more";
    let event = RunEvent::Stage(Stage::Preparing, said.into());
    reporter.send(event).await;
    layers.merge(layer).await.map_err(driver_error)?;
    let disk = paths.data_disk();
    blocking(move || disks::remove_layer(&disk)).await
}

/// What a suspended VM has left.
enum Found {
    Nothing,
    Fitting {
        record: Box<Record>,
        /// Of the boot that goes on.
        secret: String,
    },
    /// The clause says why it must not be resumed.
    Misfit(String),
}

fn find(memory: &SavedMemory, fit: Option<&Fit>, boot: &BootConfig, paths: &HostPaths) -> Found {
    let record = match memory.read() {
        None => return Found::Nothing,
        Some(Ok(record)) => record,
        Some(Err(why)) => return Found::Misfit(why),
    };
    let Some(fit) = fit else {
        return Found::Misfit("this driver cannot resume on this host".into());
    };
    if let Some(why) = record.misfit(fit) {
        return Found::Misfit(why);
    }
    if let Some(why) = memory.disk_misfit(&record) {
        return Found::Misfit(why.into());
    }
    let Some(secret) = disks::secret_of_same_boot(&paths.config_disk(), boot) else {
        return Found::Misfit("the settings have changed".into());
    };
    Found::Fitting {
        record: Box::new(record),
        secret,
    }
}

/// Puts memory that does not fit out of the way; the sentence for the person.
pub(super) fn set_aside(memory: &SavedMemory, why: &str) -> String {
    let mut sentence = format!(
        "The suspended VM cannot be resumed and boots from its data disk: {why}. Its memory is set aside."
    );
    if let Err(error) = memory.set_aside() {
        // It must not be tried again: the disk is about to change.
        sentence = format!("{sentence} It could not be moved ({error}) and is deleted.");
        if let Err(error) = memory.delete() {
            tracing::error!(%error, "the memory could not be deleted");
        }
    }
    sentence
}

/// What memory of a VM of this configuration fits; None where it cannot be saved.
pub(super) async fn fit(
    options: &Options,
    image: &Image,
    host: &HostSupport,
    config: &VmConfig,
    disk_gib: u64,
) -> Result<Option<Fit>, ApiError> {
    let Some(driver) = options
        .driver
        .resume()
        .filter(|_| host.capabilities.suspend)
    else {
        return Ok(None);
    };
    Ok(Some(Fit {
        hypervisor: host.hypervisor.clone(),
        accelerator: host.accelerator.clone(),
        image: image.identity.clone(),
        cpus: config.cpus,
        memory_mib: config.memory_mib,
        disk_gib,
        machine: driver.machine(config).await.map_err(driver_error)?,
    }))
}

pub(super) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(act)
        .await
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?
}

/// What the guest is to be told, with a fresh secret, and the machine.
pub(super) fn plan(
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

/// As it crosses the API.
pub(super) fn driver_error(error: DriverError) -> ApiError {
    let code = match &error {
        DriverError::Missing(_) => ErrorCode::Missing,
        DriverError::Config(_) => ErrorCode::InvalidInput,
        DriverError::Start(_) | DriverError::Timeout { .. } => ErrorCode::VmFailed,
        DriverError::Io { context, source } => return ApiError::host(context, source),
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
