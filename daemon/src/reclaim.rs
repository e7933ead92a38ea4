//! Memory and disk that the VM can do without go back to the host at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode, Reclaimed, Taken};
use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::Opener;
use coracle_vm_driver::Vm;
use tokio::time::{Instant, sleep, timeout};

use crate::disks;
use crate::options::Limits;

/// How often the VM is looked at until no more comes back.
const LOOK: Duration = Duration::from_millis(250);

/// Less than this is not worth waiting for, in bytes.
const WORTH: u64 = 1 << 20;

/// However much still comes: the rest comes without us.
const AT_MOST: Duration = Duration::from_secs(60);

/// Has the guest do without, and measures on the host what that has brought. Returns when no more comes.
pub(crate) async fn reclaim(
    (vm, opener): (Arc<dyn Vm>, Opener),
    data_disk: &Path,
    limits: Limits,
) -> Result<Reclaimed, ApiError> {
    let taken = async || {
        let usage = timeout(limits.answer, vm.usage()).await;
        let usage = usage.map_err(|_| failed("the driver did not tell what the VM takes".into()));
        let usage = usage?.map_err(|error| failed(error.to_string()))?;
        Ok::<_, ApiError>((usage.resident_bytes, disks::data_size(data_disk).1))
    };
    let before = taken().await?;
    match timeout(limits.sync, opener.open(&StreamHeader::Reclaim)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(failed("the guest did not answer in time".into())),
    }
    let (begun, mut least, mut since) = (Instant::now(), before.0, Instant::now());
    let after = loop {
        let now = taken().await?;
        if now.0 + WORTH <= least {
            (least, since) = (now.0, Instant::now());
        }
        if since.elapsed() >= limits.still || begun.elapsed() >= AT_MOST {
            break now;
        }
        tokio::select! {
            () = sleep(LOOK.min(limits.still)) => {}
            // What is measured of a VM that is gone has not come back by this.
            () = opener.ended() => return Err(failed("the VM was stopped meanwhile".into())),
        }
    };
    let pair = |before_bytes, after_bytes| Taken {
        before_bytes,
        after_bytes,
    };
    Ok(Reclaimed {
        memory: pair(before.0, after.0),
        disk: pair(before.1, after.1),
    })
}

fn failed(why: String) -> ApiError {
    let message = format!("memory and disk could not be reclaimed: {why}");
    ApiError::new(ErrorCode::VmFailed, message)
}
