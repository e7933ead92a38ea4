//! The driver itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use coracle_guest_api::boot::NetworkConfig;
use coracle_vm_driver::{
    Capabilities, DriverError, HostSupport, Layers, Resume, RunningVm, VmConfig, VmDriver,
};

use crate::accelerator::{Accelerator, Accelerators};
use crate::host::{Qemu, Virtiofsd, find_virtiofsd};
use crate::launch::{Launched, Memory, first_line, identity, launch, ram};
use crate::layers;
use crate::lock;
use crate::migration::{self, Form};
use crate::network;
use crate::vm::{self, Suspect};

/// Starts VMs with QEMU.
pub struct QemuDriver {
    accelerators: Arc<Accelerators>,
    pub(crate) state_dir: PathBuf,
}

impl QemuDriver {
    /// `state_dir` is an existing folder, in which the driver keeps `accelerator.json`.
    pub fn new(state_dir: impl AsRef<Path>) -> Self {
        Self {
            state_dir: state_dir.as_ref().into(),
            accelerators: Arc::new(Accelerators::new(state_dir.as_ref())),
        }
    }
}

#[async_trait]
impl VmDriver for QemuDriver {
    fn name(&self) -> &'static str {
        "qemu"
    }

    async fn probe(&self) -> Result<HostSupport, DriverError> {
        let qemu = Qemu::find().await?;
        let choice = self.accelerators.choose(&qemu).await;
        let virtiofsd = find_virtiofsd().await.ok();
        let suspend =
            can_suspend(&qemu) && virtiofsd.as_ref().is_some_and(Virtiofsd::can_be_suspended);
        Ok(HostSupport {
            hypervisor: format!("QEMU {}", qemu.version),
            accelerator: choice.accelerator.name().into(),
            accelerator_note: choice.note,
            capabilities: Capabilities {
                suspend,
                snapshots: suspend && layers::are_possible(),
                free_page_reporting: true,
                shares: virtiofsd.is_some(),
                discard: true,
            },
        })
    }

    fn guest_network(&self) -> NetworkConfig {
        network::guest_network()
    }

    async fn await_released(&self, disk: &Path) -> Result<(), DriverError> {
        lock::await_released(disk, lock::WITHIN).await
    }

    async fn start(&self, config: &VmConfig) -> Result<RunningVm, DriverError> {
        check(config)?;
        let qemu = Qemu::find().await?;
        let choice = self.accelerators.choose(&qemu).await;
        let (launched, accelerator) = if choice.unproven {
            self.prove(config, &qemu).await?
        } else {
            let launched = launch(config, &qemu, choice.accelerator, Memory::Empty).await?;
            (launched, choice.accelerator)
        };
        Ok(self.watch(launched, accelerator, qemu))
    }

    fn resume(&self) -> Option<&dyn Resume> {
        Some(self)
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

#[async_trait]
impl Resume for QemuDriver {
    async fn machine(&self, config: &VmConfig) -> Result<String, DriverError> {
        let qemu = Qemu::find().await?;
        let choice = self.accelerators.choose(&qemu).await;
        identity(config, &qemu, choice.accelerator).await
    }

    async fn load(&self, config: &VmConfig, memory: &Path) -> Result<RunningVm, DriverError> {
        check(config)?;
        let qemu = Qemu::find().await?;
        let accelerator = self.accelerators.choose(&qemu).await.accelerator;
        let (ram, form) = (ram(config)?, Form::of(memory));
        let launching = launch(config, &qemu, accelerator, Memory::Incoming(ram.clone()));
        // Both at once, and the devices after both: they read their rings in the memory.
        let (launched, filled) = tokio::join!(launching, migration::fill(form, &ram, memory));
        let launched = launched?;
        let loaded = match filled {
            Ok(()) => migration::load(&launched.qmp, form, &ram, memory).await,
            error => error,
        };
        if let Err(error) = loaded {
            launched.qemu.kill();
            launched.qemu.wait().await;
            let words = launched.qemu.last_words();
            return Err(match error {
                DriverError::Start(_) => error,
                error if words.is_empty() => error,
                _ => DriverError::Start(words),
            });
        }
        Ok(self.watch(launched, accelerator, qemu))
    }
}

/// Whether it migrates to a file at an offset, without shared memory that has a name, and as `mapped-ram`.
pub(crate) fn can_suspend(qemu: &Qemu) -> bool {
    qemu.version.at_least(9, 0)
}

impl QemuDriver {
    fn watch(&self, launched: Launched, accelerator: Accelerator, qemu: Qemu) -> RunningVm {
        let suspect = Suspect {
            accelerator,
            accelerators: self.accelerators.clone(),
            qemu,
        };
        vm::run(launched, suspect)
    }

    /// The first real guest on KVM: if it does not get to print a line, it is emulated.
    async fn prove(
        &self,
        config: &VmConfig,
        qemu: &Qemu,
    ) -> Result<(Launched, Accelerator), DriverError> {
        let failure = match launch(config, qemu, Accelerator::Kvm, Memory::Empty).await {
            Ok(launched) => match first_line(&launched, config).await {
                Ok(()) => {
                    self.accelerators.proven(qemu).await;
                    return Ok((launched, Accelerator::Kvm));
                }
                Err(why) => {
                    launched.qemu.kill();
                    launched.qemu.wait().await;
                    why
                }
            },
            Err(error) => error.to_string(),
        };
        // KVM is to blame only if the same VM starts without it.
        let launched = launch(config, qemu, Accelerator::Tcg, Memory::Empty).await?;
        self.accelerators.failed(qemu, &failure).await;
        Ok((launched, Accelerator::Tcg))
    }
}

fn check(config: &VmConfig) -> Result<(), DriverError> {
    let refuse = |why: String| Err(DriverError::Config(why));
    if config.cpus == 0 || config.memory_mib == 0 {
        return refuse("a VM needs at least one CPU and some memory".into());
    }
    let disks = config.disks.iter();
    let disks = disks.flat_map(|disk| disk.layer.iter().chain([&disk.path]));
    let files: Vec<&PathBuf> = disks.chain([&config.kernel, &config.initramfs]).collect();
    if let Some(file) = files.iter().find(|file| !file.is_file()) {
        return refuse(format!("{} is not a file", file.display()));
    }
    let mut folders = config.shares.iter().map(|share| &share.path);
    match folders.find(|folder| !folder.is_dir()) {
        Some(folder) => refuse(format!(
            "the shared folder {} is not there",
            folder.display()
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use coracle_vm_driver::{Disk, Share};

    use super::*;

    #[test]
    fn a_configuration_that_cannot_start_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let good = VmConfig {
            name: "test".into(),
            cpus: 1,
            memory_mib: 64,
            kernel: file.clone(),
            initramfs: file.clone(),
            cmdline: String::new(),
            disks: vec![Disk {
                serial: "root".into(),
                path: file.clone(),
                layer: None,
                read_only: true,
            }],
            shares: vec![Share {
                tag: "share0".into(),
                path: dir.path().into(),
                read_only: true,
            }],
            console_log: dir.path().join("vm.log"),
            runtime_dir: dir.path().into(),
        };
        check(&good).unwrap();
        let refused = |change: &dyn Fn(&mut VmConfig)| {
            let mut config = good.clone();
            change(&mut config);
            check(&config).unwrap_err().to_string()
        };
        refused(&|config| config.cpus = 0);
        assert!(refused(&|config| config.kernel = "/gone/k".into()).contains("/gone/k"));
        assert!(refused(&|config| config.disks[0].path = "/gone/d".into()).contains("/gone/d"));
        assert!(refused(&|config| config.shares[0].path = file.clone()).contains("file"));
    }
}
