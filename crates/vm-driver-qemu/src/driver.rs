//! The driver itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use coracle_guest_api::boot::NetworkConfig;
use coracle_vm_driver::{Capabilities, DriverError, HostSupport, RunningVm, VmConfig, VmDriver};

use crate::accelerator::{Accelerator, Accelerators};
use crate::host::{Qemu, find_virtiofsd};
use crate::launch::{Launched, first_line, launch};
use crate::network;
use crate::vm::{self, Suspect};

/// Starts VMs with QEMU.
pub struct QemuDriver {
    accelerators: Arc<Accelerators>,
}

impl QemuDriver {
    /// `state_dir` is an existing folder, in which the driver keeps `accelerator.json`.
    pub fn new(state_dir: impl AsRef<Path>) -> Self {
        Self {
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
        Ok(HostSupport {
            hypervisor: format!("QEMU {}", qemu.version),
            accelerator: choice.accelerator.name().into(),
            accelerator_note: choice.note,
            capabilities: Capabilities {
                suspend: qemu.version.at_least(9, 0),
                free_page_reporting: true,
                shares: find_virtiofsd().await.is_ok(),
                discard: true,
            },
        })
    }

    fn guest_network(&self) -> NetworkConfig {
        network::guest_network()
    }

    async fn start(&self, config: &VmConfig) -> Result<RunningVm, DriverError> {
        check(config)?;
        let qemu = Qemu::find().await?;
        let choice = self.accelerators.choose(&qemu).await;
        let (launched, accelerator) = if choice.unproven {
            self.prove(config, &qemu).await?
        } else {
            let launched = launch(config, &qemu, choice.accelerator).await?;
            (launched, choice.accelerator)
        };
        let suspect = Suspect {
            accelerator,
            accelerators: self.accelerators.clone(),
            qemu,
        };
        Ok(vm::run(launched, suspect))
    }
}

impl QemuDriver {
    /// The first real guest on KVM: if it does not get to print a line, it is emulated.
    async fn prove(
        &self,
        config: &VmConfig,
        qemu: &Qemu,
    ) -> Result<(Launched, Accelerator), DriverError> {
        let failure = match launch(config, qemu, Accelerator::Kvm).await {
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
        let launched = launch(config, qemu, Accelerator::Tcg).await?;
        self.accelerators.failed(qemu, &failure).await;
        Ok((launched, Accelerator::Tcg))
    }
}

fn check(config: &VmConfig) -> Result<(), DriverError> {
    let refuse = |why: String| Err(DriverError::Config(why));
    if config.cpus == 0 || config.memory_mib == 0 {
        return refuse("a VM needs at least one CPU and some memory".into());
    }
    let disks = config.disks.iter().map(|disk| &disk.path);
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
