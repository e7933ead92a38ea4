//! The only list of VM drivers.

use std::path::PathBuf;
use std::sync::Arc;

use coracle_vm_driver::VmDriver;

/// The driver of this system; it keeps what it must remember in `state`.
#[cfg(target_os = "linux")]
pub(crate) fn driver(state: PathBuf) -> Arc<dyn VmDriver> {
    Arc::new(coracle_vm_driver_qemu::QemuDriver::new(state))
}
