//! A driver without a VM: the tests above it play the guest.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::DuplexStream;

use super::*;

/// Starts "VMs" whose guest end is handed to the test.
#[derive(Clone, Default)]
pub struct FakeDriver {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    can_suspend: bool,
    fail_save: bool,
    fail_next: Option<String>,
    guests: Vec<FakeGuest>,
}

/// What a fake VM's memory looks like on the disk.
const MEMORY: &[u8] = b"the memory of a fake VM";

/// The guest's side of a fake VM.
pub struct FakeGuest {
    /// How the VM was configured.
    pub config: VmConfig,
    /// The guest's end of the transport.
    pub transport: DuplexStream,
    /// Reports what happens to the VM.
    pub events: mpsc::Sender<VmEvent>,
    /// Whether it comes from saved memory.
    pub resumed: bool,
}

impl FakeDriver {
    /// From now on its VMs can be suspended and resumed.
    pub fn suspends(&self) {
        self.lock().can_suspend = true;
    }

    /// Whether the memory of its VMs cannot be written.
    pub fn fail_save(&self, fails: bool) {
        self.lock().fail_save = fails;
    }

    /// Makes the next start fail with this text.
    pub fn fail_next(&self, why: &str) {
        self.lock().fail_next = Some(why.into());
    }

    /// Whether a start was not yet taken.
    pub fn has_guest(&self) -> bool {
        !self.lock().guests.is_empty()
    }

    /// The guest of the earliest start that was not yet taken.
    pub fn take_guest(&self) -> Option<FakeGuest> {
        let mut state = self.lock();
        (!state.guests.is_empty()).then(|| state.guests.remove(0))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with the lock")
    }
}

#[async_trait]
impl VmDriver for FakeDriver {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn probe(&self) -> Result<HostSupport, DriverError> {
        Ok(HostSupport {
            hypervisor: "fake 1".into(),
            accelerator: "fake".into(),
            accelerator_note: None,
            capabilities: Capabilities {
                suspend: self.lock().can_suspend,
                ..Capabilities::default()
            },
        })
    }

    fn guest_network(&self) -> NetworkConfig {
        NetworkConfig::Static {
            address: [10, 0, 2, 15].into(),
            prefix: 24,
            gateway: [10, 0, 2, 2].into(),
            dns: vec![[10, 0, 2, 3].into()],
        }
    }

    async fn start(&self, config: &VmConfig) -> Result<RunningVm, DriverError> {
        self.begin(config, false)
    }

    fn resume(&self) -> Option<&dyn Resume> {
        self.lock().can_suspend.then_some(self)
    }
}

#[async_trait]
impl Resume for FakeDriver {
    async fn machine(&self, config: &VmConfig) -> Result<String, DriverError> {
        Ok(format!("{} shares", config.shares.len()))
    }

    async fn load(&self, config: &VmConfig, memory: &Path) -> Result<RunningVm, DriverError> {
        match std::fs::read(memory) {
            Ok(bytes) if bytes == MEMORY => self.begin(config, true),
            _ => Err(DriverError::Start("that is no memory".into())),
        }
    }
}

impl FakeDriver {
    fn begin(&self, config: &VmConfig, resumed: bool) -> Result<RunningVm, DriverError> {
        let mut state = self.lock();
        if let Some(why) = state.fail_next.take() {
            return Err(DriverError::Start(why));
        }
        let (host, guest) = tokio::io::duplex(1 << 16);
        let (sender, events) = mpsc::channel(16);
        state.guests.push(FakeGuest {
            config: config.clone(),
            transport: guest,
            events: sender.clone(),
            resumed,
        });
        Ok(RunningVm {
            vm: Box::new(FakeVm {
                events: sender,
                driver: self.clone(),
            }),
            transport: Box::new(host),
            events,
        })
    }
}

struct FakeVm {
    events: mpsc::Sender<VmEvent>,
    driver: FakeDriver,
}

#[async_trait]
impl Suspend for FakeVm {
    async fn pause(&self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn unpause(&self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn save(&self, memory: &Path) -> Result<(), DriverError> {
        let failed = |source| DriverError::Io {
            context: "the memory cannot be written".into(),
            source,
        };
        if self.driver.lock().fail_save {
            return Err(failed(std::io::ErrorKind::StorageFull.into()));
        }
        std::fs::write(memory, MEMORY).map_err(failed)
    }
}

#[async_trait]
impl Vm for FakeVm {
    async fn request_power_off(&self) -> Result<(), DriverError> {
        let exited = VmEvent::Exited(ExitReason::GuestPoweredOff);
        // The receiver is gone when the VM has already been given up.
        let _ = self.events.send(exited).await;
        Ok(())
    }

    async fn kill(&self) -> Result<(), DriverError> {
        let _ = self.events.send(VmEvent::Exited(ExitReason::Killed)).await;
        Ok(())
    }

    async fn usage(&self) -> Result<VmUsage, DriverError> {
        Ok(VmUsage::default())
    }

    fn suspend(&self) -> Option<&dyn Suspend> {
        self.driver.lock().can_suspend.then_some(self)
    }
}
