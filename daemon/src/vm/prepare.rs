//! From settings to a machine that can be started.

use std::path::Path;

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_engine_proxy::MountPolicy;
use coracle_guest_api::BootConfig;
use coracle_host_paths::HostPaths;
use coracle_vm_driver::{DriverError, HostSupport, Layers, VmConfig};

use super::config::configure;
use super::context::Sizes;
use super::restore::restore_pending;
use crate::disks;
use crate::event::{Reporter, RunEvent};
use crate::image::Image;
use crate::memory::{Fit, Record, SavedMemory};
use crate::options::Options;
use crate::settings::Settings;
use crate::snapshots::Snapshots;

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
    let configured = blocking(move || configure(&image_now, &settings_now, &home, network)).await?;
    let (boot, mut config) = configured;
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
