use std::path::Path;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use coracle_vm_driver::{DriverError, Suspend};

use super::QemuVm;
use crate::migration;

#[async_trait]
impl Suspend for QemuVm {
    async fn pause(&self) -> Result<(), DriverError> {
        self.processes.held.store(true, Ordering::SeqCst);
        self.qmp.execute("stop").await.map(drop)
    }

    async fn unpause(&self) -> Result<(), DriverError> {
        self.processes.held.store(false, Ordering::SeqCst);
        migration::go_on(&self.qmp).await
    }

    async fn save(&self, memory: &Path) -> Result<u64, DriverError> {
        migration::save(&self.qmp, &self.ram, memory).await
    }
}
