//! A running VM: control over it, and the task that watches it.

mod exit;
mod snapshot;
mod suspend;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use coracle_vm_driver::{DriverError, RunningVm, Snapshots, Suspend, Vm, VmEvent, VmUsage};
use tokio::sync::{Mutex, mpsc, watch as value};
use tokio::time::timeout;

use crate::accelerator::{Accelerator, Accelerators};
use crate::driver::can_suspend;
use crate::file_server::FileServer;
use crate::host::Qemu;
use crate::launch::{DataDisk, Launched};
use crate::process::Process;
use crate::qmp::Qmp;
use crate::ram::Ram;
use crate::usage;

/// How a failure of the accelerator is remembered.
pub(crate) struct Suspect {
    pub(crate) accelerator: Accelerator,
    pub(crate) accelerators: Arc<Accelerators>,
    pub(crate) qemu: Qemu,
}

/// From here on the VM is watched.
pub(crate) fn run(launched: Launched, suspect: Suspect) -> RunningVm {
    // More than ever wait at once; see `watch` for what happens if they do.
    let (sender, events) = mpsc::channel(64);
    for sentence in launched.degraded {
        let _ = sender.try_send(VmEvent::Degraded(sentence));
    }
    let processes = Arc::new(Processes {
        qemu: launched.qemu,
        servers: launched.servers,
        killed: AtomicBool::new(false),
        held: AtomicBool::new(false),
    });
    let can_suspend = can_suspend(&suspect.qemu);
    let (report, gone) = value::channel(false);
    let watched = watch::Watched {
        processes: processes.clone(),
        qmp: launched.qmp.clone(),
        qmp_events: launched.events,
        events: sender,
        gone: report,
        suspect,
    };
    tokio::spawn(watched.watch());
    RunningVm {
        vm: Box::new(QemuVm {
            processes,
            qmp: launched.qmp,
            ram: launched.ram,
            gone,
            can_suspend,
            data_disk: launched.data_disk.map(Mutex::new),
        }),
        transport: Box::new(launched.transport),
        events,
    }
}

struct QemuVm {
    processes: Arc<Processes>,
    qmp: Qmp,
    ram: Ram,
    gone: value::Receiver<bool>,
    can_suspend: bool,
    /// Locked while something is done to it.
    data_disk: Option<Mutex<DataDisk>>,
}

struct Processes {
    qemu: Process,
    servers: Vec<FileServer>,
    killed: AtomicBool,
    /// Whether the VM's owner has paused it: nothing else may continue it then.
    held: AtomicBool,
}

impl Processes {
    /// Ends everything because the VM's owner wants it.
    fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.qemu.kill();
        for server in &self.servers {
            server.process.kill();
        }
    }
}

#[async_trait]
impl Vm for QemuVm {
    async fn request_power_off(&self) -> Result<(), DriverError> {
        self.qmp.execute("system_powerdown").await.map(drop)
    }

    async fn kill(&self) -> Result<(), DriverError> {
        const BOUND: Duration = Duration::from_secs(20);
        self.processes.kill();
        let mut gone = self.gone.clone();
        let waited = timeout(BOUND, gone.wait_for(|gone| *gone)).await;
        waited.map(drop).map_err(|_| DriverError::Timeout {
            what: "SIGKILL",
            after: BOUND,
        })
    }

    async fn usage(&self) -> Result<VmUsage, DriverError> {
        let servers = self.processes.servers.iter().map(|server| &server.process);
        let all = servers.chain([&self.processes.qemu]);
        let pids: Vec<_> = all.map(Process::pid).collect();
        // A large guest's maps take the kernel some milliseconds to add up.
        let ram = self.ram.clone();
        let summed = tokio::task::spawn_blocking(move || {
            let own = usage::of(pids);
            VmUsage {
                resident_bytes: own.resident_bytes + ram.allocated(),
                ..own
            }
        })
        .await;
        summed.map_err(|error| DriverError::Io {
            context: "cannot read what the VM takes".into(),
            source: std::io::Error::other(error),
        })
    }

    fn suspend(&self) -> Option<&dyn Suspend> {
        self.can_suspend.then_some(self)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        (self.can_suspend && self.data_disk.is_some()).then_some(self)
    }
}

impl Drop for QemuVm {
    fn drop(&mut self) {
        self.processes.kill();
    }
}
