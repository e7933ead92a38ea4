//! A driver without a VM: the tests above it play the guest.

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
    fail_next: Option<String>,
    guests: Vec<FakeGuest>,
}

/// The guest's side of a fake VM.
pub struct FakeGuest {
    /// How the VM was configured.
    pub config: VmConfig,
    /// The guest's end of the transport.
    pub transport: DuplexStream,
    /// Reports what happens to the VM.
    pub events: mpsc::Sender<VmEvent>,
}

impl FakeDriver {
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
            capabilities: Capabilities::default(),
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
        });
        Ok(RunningVm {
            vm: Box::new(FakeVm { events: sender }),
            transport: Box::new(host),
            events,
        })
    }
}

struct FakeVm {
    events: mpsc::Sender<VmEvent>,
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
}
