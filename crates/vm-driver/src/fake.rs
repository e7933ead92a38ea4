//! A driver without a VM: the tests above it play the guest.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
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
    in_use: bool,
    paused: bool,
    takes: VecDeque<u64>,
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

    /// Whether the memory of its VMs, also in snapshots, cannot be written.
    pub fn fail_save(&self, fails: bool) {
        self.lock().fail_save = fails;
    }

    /// What its VMs tell that they take of the host's memory, in bytes: one after another, the last
    /// one from then on.
    pub fn takes(&self, resident_bytes: &[u64]) {
        self.lock().takes = resident_bytes.iter().copied().collect();
    }

    /// Makes the next start fail with this text.
    pub fn fail_next(&self, why: &str) {
        self.lock().fail_next = Some(why.into());
    }

    /// Whether a VM of another daemon uses the disks.
    pub fn disks_are_in_use(&self, are: bool) {
        self.lock().in_use = are;
    }

    /// Whether the VM that was paused last has not gone on.
    pub fn is_paused(&self) -> bool {
        self.lock().paused
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
        let can_suspend = self.lock().can_suspend;
        Ok(HostSupport {
            hypervisor: "fake 1".into(),
            accelerator: "fake".into(),
            accelerator_note: None,
            capabilities: Capabilities {
                suspend: can_suspend,
                snapshots: can_suspend,
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

    async fn await_released(&self, _disk: &Path) -> Result<(), DriverError> {
        match self.lock().in_use {
            true => Err(DriverError::Start("a disk is in use".into())),
            false => Ok(()),
        }
    }

    async fn start(&self, config: &VmConfig) -> Result<RunningVm, DriverError> {
        self.begin(config, false)
    }

    fn resume(&self) -> Option<&dyn Resume> {
        self.lock().can_suspend.then_some(self)
    }

    fn layers(&self) -> Option<&dyn Layers> {
        self.lock().can_suspend.then_some(self)
    }
}

/// A fake layer is a text file with a tag in each line; the disk under it is never touched.
#[async_trait]
impl Layers for FakeDriver {
    async fn create(&self, _disk: &Path, layer: &Path) -> Result<(), DriverError> {
        write_tags(layer, &Tags::new())
    }

    async fn grow(&self, _layer: &Path, _bytes: u64) -> Result<(), DriverError> {
        Ok(())
    }

    async fn tags(&self, layer: &Path) -> Result<Tags, DriverError> {
        read_tags(layer)
    }

    async fn revert(&self, layer: &Path, tag: &str) -> Result<(), DriverError> {
        match read_tags(layer)?.contains(tag) {
            true => Ok(()),
            false => Err(io("there is no such tag", std::io::ErrorKind::NotFound)),
        }
    }

    async fn keep(&self, layer: &Path, tags: &Tags) -> Result<(), DriverError> {
        let kept = &read_tags(layer)? & tags;
        write_tags(layer, &kept)
    }

    async fn merge(&self, layer: &Path) -> Result<(), DriverError> {
        match read_tags(layer)?.is_empty() {
            true => Ok(()),
            false => Err(io("there are tags", std::io::ErrorKind::InvalidInput)),
        }
    }
}

fn read_tags(layer: &Path) -> Result<Tags, DriverError> {
    let text = std::fs::read_to_string(layer);
    let text = text.map_err(|error| io("the layer cannot be read", error.kind()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn write_tags(layer: &Path, tags: &Tags) -> Result<(), DriverError> {
    let lines: String = tags.iter().map(|tag| format!("{tag}\n")).collect();
    std::fs::write(layer, lines).map_err(|error| io("the layer cannot be written", error.kind()))
}

fn io(context: &str, kind: std::io::ErrorKind) -> DriverError {
    DriverError::Io {
        context: context.into(),
        source: kind.into(),
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
        let mut disks = config.disks.iter();
        let layer = disks.find_map(|disk| disk.layer.clone());
        Ok(RunningVm {
            vm: Box::new(FakeVm {
                events: sender,
                driver: self.clone(),
                layer: Mutex::new(layer),
            }),
            transport: Box::new(host),
            events,
        })
    }
}

struct FakeVm {
    events: mpsc::Sender<VmEvent>,
    driver: FakeDriver,
    layer: Mutex<Option<PathBuf>>,
}

impl FakeVm {
    fn layer(&self) -> Option<PathBuf> {
        self.layer.lock().expect("nobody panics with it").clone()
    }
}

#[async_trait]
impl Snapshots for FakeVm {
    async fn put_on(&self, layer: &Path) -> Result<(), DriverError> {
        *self.layer.lock().expect("nobody panics with it") = Some(layer.into());
        Ok(())
    }

    async fn take(&self, memory: &Path, tag: &str) -> Result<Duration, DriverError> {
        let layer = self.layer();
        let layer = layer.ok_or_else(|| io("no layer", std::io::ErrorKind::NotFound))?;
        let mut tags = read_tags(&layer)?;
        tags.insert(tag.into());
        write_tags(&layer, &tags)?;
        self.save(memory).await?;
        Ok(Duration::from_millis(7))
    }

    async fn keep(&self, tags: &Tags) -> Result<(), DriverError> {
        match self.layer() {
            Some(layer) => self.driver.keep(&layer, tags).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Suspend for FakeVm {
    async fn pause(&self) -> Result<(), DriverError> {
        self.driver.lock().paused = true;
        Ok(())
    }

    async fn unpause(&self) -> Result<(), DriverError> {
        self.driver.lock().paused = false;
        Ok(())
    }

    async fn save(&self, memory: &Path) -> Result<u64, DriverError> {
        let failed = |kind| io("the memory cannot be written", kind);
        if self.driver.lock().fail_save {
            return Err(failed(std::io::ErrorKind::StorageFull));
        }
        std::fs::write(memory, MEMORY).map_err(|error| failed(error.kind()))?;
        Ok(0)
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
        let mut state = self.driver.lock();
        let resident_bytes = match state.takes.len() {
            0 | 1 => state.takes.front().copied(),
            _ => state.takes.pop_front(),
        };
        Ok(VmUsage {
            resident_bytes: resident_bytes.unwrap_or_default(),
            cpu_ms: 0,
        })
    }

    fn suspend(&self) -> Option<&dyn Suspend> {
        self.driver.lock().can_suspend.then_some(self)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        self.driver.lock().can_suspend.then_some(self)
    }
}
