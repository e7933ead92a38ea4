//! From saved memory to a guest that goes on.

use std::sync::Arc;

use coracle_vm_driver::{RunningVm, VmConfig, VmDriver};

use super::prepare::driver_error;
use crate::memory::{Record, SavedMemory};

/// Loads the memory, has it count no more, lets the guest go on. The error is a clause that says why
/// not; then nothing of a VM is left.
pub(super) async fn resume(
    driver: Arc<dyn VmDriver>,
    config: &VmConfig,
    memory: SavedMemory,
    record: Record,
) -> Result<RunningVm, String> {
    let driver = driver.resume().ok_or("the driver cannot resume")?;
    let (file, verifying) = (memory.file(), memory.clone());
    let verify = tokio::task::spawn_blocking(move || verifying.verify(&record));
    let (verified, loaded) = tokio::join!(verify, driver.load(config, &file));
    // Damage explains what else went wrong.
    verified.map_err(|error| error.to_string())??;
    let running = loaded.map_err(|error| driver_error(error).message)?;
    let Some(suspend) = running.vm.suspend() else {
        return Err("the VM cannot go on".into());
    };
    memory
        .consume()
        .map_err(|error| format!("its record cannot be removed ({error})"))?;
    if let Err(error) = suspend.unpause().await {
        return Err(driver_error(error).message);
    }
    tokio::task::spawn_blocking(move || {
        if let Err(error) = memory.delete() {
            tracing::warn!(%error, "the memory that was resumed is left over");
        }
    });
    Ok(running)
}
