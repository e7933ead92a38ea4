//! From a snapshot to what a start resumes.

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_host_paths::HostPaths;

use super::config::configure;
use super::prepare::{blocking, driver_error, fit};
use super::snapshotting::unsupported;
use crate::disks;
use crate::event::{Reporter, RunEvent};
use crate::image::Image;
use crate::memory::{self, SavedMemory};
use crate::options::Options;
use crate::settings::Settings;
use crate::snapshots::Snapshots;

/// Whether a start could go on from this snapshot now. Changes nothing; takes as long as reading its
/// memory does.
pub(crate) async fn check_restorable(
    options: Options,
    paths: HostPaths,
    settings: Settings,
    name: &str,
) -> Result<(), ApiError> {
    let snapshots = Snapshots::new(&paths);
    let entry = snapshots.read(name)?;
    let image = Image::find(&options.image_dir)?;
    let host = options.driver.probe().await.map_err(driver_error)?;
    let network = options.driver.guest_network();
    let configured = {
        let (image, settings, paths) = (image.clone(), settings.clone(), paths.clone());
        blocking(move || configure(&image, &settings, &paths, network)).await?
    };
    let (boot, config) = configured;
    // The disk of then may be smaller: it grows when it boots.
    let now = fit(&options, &image, &host, &config, 0).await?;
    let now = now.ok_or_else(unsupported)?;
    let misfit = |why: &str| {
        ApiError::new(
            ErrorCode::WrongState,
            format!(
                "the snapshot {name} does not fit: {why}; put that back as it was and try again. Nothing was \
                 changed"
            ),
        )
    };
    if let Some(why) = entry.record.misfit(&now) {
        return Err(misfit(&why));
    }
    if disks::secret_of_same_boot(&snapshots.config(name), &boot).is_none() {
        return Err(misfit("the settings have changed since it was taken"));
    }
    let damaged = |why: &str| {
        ApiError::new(
            ErrorCode::WrongState,
            format!(
                "the snapshot {name} cannot be restored: {why}. Nothing was changed; `coracle snapshot delete \
                 {name}` deletes it"
            ),
        )
    };
    let layers = options.driver.layers().ok_or_else(unsupported)?;
    let layer = disks::present_layer(&paths.data_disk())
        .ok_or_else(|| damaged("the data disk has lost its layer"))?;
    let tags = layers.tags(&layer).await.map_err(driver_error)?;
    if !tags.contains(&entry.tag) {
        return Err(damaged("the data disk has lost its state"));
    }
    let memory = snapshots.memory(name);
    blocking(move || Ok(memory::verify(&memory, &entry.record)))
        .await?
        .map_err(|why| damaged(&why))
}

/// Puts disk and memory of the snapshot in place that is intended to be restored, if one is. Interrupted, it
/// is done again by the next start; if it fails the data disk is as it was, and the start with it.
pub(super) async fn restore_pending(
    options: &Options,
    paths: &HostPaths,
    settings: &Settings,
    reporter: &Reporter,
) -> Result<(), ApiError> {
    let snapshots = Snapshots::new(paths);
    let Some(name) = snapshots.pending() else {
        return Ok(());
    };
    let said = format!("Taking the VM back to the snapshot {name}");
    reporter.send(RunEvent::Stage(Stage::Snapshot, said)).await;
    let restored = restore(options, paths, settings, &snapshots, &name).await;
    let settled = snapshots.settle();
    restored?;
    // Else every start would go back.
    settled.map_err(|error| ApiError::host("cannot finish the restore", &error))
}

async fn restore(
    options: &Options,
    paths: &HostPaths,
    settings: &Settings,
    snapshots: &Snapshots,
    name: &str,
) -> Result<(), ApiError> {
    let entry = snapshots.read(name)?;
    let layers = options.driver.layers().ok_or_else(unsupported)?;
    let layer = disks::layer(&paths.data_disk());
    let reverted = layers.revert(&layer, &entry.tag).await;
    reverted.map_err(driver_error)?;
    let (memory, saved) = (SavedMemory::new(paths), snapshots.memory(name));
    let (config, config_disk) = (snapshots.config(name), paths.config_disk());
    let disk_gib = settings.disk_gib;
    blocking(move || {
        let adopted = || {
            disks::copy_config(&config, &config_disk)?;
            memory.adopt(&saved, entry.record, disk_gib)
        };
        adopted().map_err(|error| ApiError::host("cannot put the snapshot in place", &error))
    })
    .await
}
