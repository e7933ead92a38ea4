//! Starts QEMU and its file servers.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net as blocking;
use std::time::Duration;

use coracle_vm_driver::{DriverError, VmConfig};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::accelerator::Accelerator;
use crate::command_line::{self, Channels, Means, arguments};
use crate::console;
use crate::file_server::{self, FileServer};
use crate::host::{Qemu, find_virtiofsd};
use crate::process::{Process, Program};
use crate::qmp::{Event, Qmp};
use crate::ram::Ram;

/// The processes of a VM and the ways to them. Dropping it ends them.
pub(crate) struct Launched {
    pub(crate) qemu: Process,
    pub(crate) servers: Vec<FileServer>,
    pub(crate) qmp: Qmp,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) transport: UnixStream,
    pub(crate) ram: Ram,
    /// What is worse than it should be.
    pub(crate) degraded: Vec<String>,
    pub(crate) data_disk: Option<DataDisk>,
    /// Length of the console's log at the start.
    console_length: u64,
}

/// The disk that the guest writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDisk {
    /// QEMU's name of it, without its layer.
    pub(crate) node: String,
    pub(crate) layered: bool,
}

/// Where a VM's memory comes from.
pub(crate) enum Memory {
    /// It is empty: the guest boots.
    Empty,
    /// It is filled by the caller, and QEMU waits until it is told of the devices.
    Incoming(Ram),
}

pub(crate) async fn launch(
    config: &VmConfig,
    qemu: &Qemu,
    accelerator: Accelerator,
    memory: Memory,
) -> Result<Launched, DriverError> {
    let console_length = console::prepare(&config.console_log).map_err(|source| {
        io(
            &format!("cannot write {}", config.console_log.display()),
            source,
        )
    })?;
    let (qmp, qemu_qmp) = pair()?;
    let (transport, qemu_transport) = pair()?;
    let (ram, incoming) = match memory {
        Memory::Empty => (ram(config)?, false),
        Memory::Incoming(ram) => (ram, true),
    };
    let inherited = ram.descriptor();
    let qemu_memory = inherited.map_err(|source| io("cannot share the VM's memory", source))?;
    let mut inherit = vec![qemu_qmp, qemu_transport, qemu_memory];
    let mut channels = Channels {
        qmp: inherit[0].as_raw_fd(),
        transport: inherit[1].as_raw_fd(),
        memory: inherit[2].as_raw_fd(),
        shares: Vec::new(),
    };
    let (mut servers, mut degraded) = (Vec::new(), Vec::new());
    if !config.shares.is_empty() {
        let program = find_virtiofsd().await?;
        degraded.extend(file_server::low_file_limit());
        for (index, share) in config.shares.iter().enumerate() {
            let started = file_server::start(&program, share, index, &config.runtime_dir).await?;
            channels.shares.push(started.connection.as_raw_fd());
            inherit.push(started.connection);
            servers.push(started.server);
            degraded.extend(started.degraded);
        }
    }
    let means = Means {
        machine: qemu.machine,
        accelerator,
        sandbox: qemu.sandbox,
        incoming,
    };
    let program = Program {
        path: qemu.program.clone(),
        args: arguments(config, &means, &channels)?,
        inherit,
        log: config.runtime_dir.join("qemu.log"),
    };
    let context = format!("cannot run {}", qemu.program.display());
    let process = Process::spawn(program).await;
    let process = process.map_err(|source| io(&context, source))?;
    let (qmp, events) = connect(&process, qmp).await?;
    Ok(Launched {
        qemu: process,
        servers,
        qmp,
        events,
        transport,
        ram,
        degraded,
        data_disk: data_disk(config),
        console_length,
    })
}

/// Empty memory for such a VM.
pub(crate) fn ram(config: &VmConfig) -> Result<Ram, DriverError> {
    let made = Ram::new(config.memory_mib << 20);
    made.map_err(|source| io("cannot make the VM's memory", source))
}

/// The one writable disk.
fn data_disk(config: &VmConfig) -> Option<DataDisk> {
    let index = config.disks.iter().position(|disk| !disk.read_only)?;
    Some(DataDisk {
        node: command_line::node(index),
        layered: config.disks[index].layer.is_some(),
    })
}

/// What memory of this VM depends on: the versions and the command line, without the numbers of
/// inherited descriptors, and without layers, of which the guest sees nothing.
pub(crate) async fn identity(
    config: &VmConfig,
    qemu: &Qemu,
    accelerator: Accelerator,
) -> Result<String, DriverError> {
    let means = Means {
        machine: qemu.machine,
        accelerator,
        sandbox: qemu.sandbox,
        incoming: false,
    };
    let channels = Channels {
        memory: 0,
        qmp: 0,
        transport: 0,
        shares: vec![0; config.shares.len()],
    };
    let mut words = vec![format!("QEMU {}", qemu.version)];
    if !config.shares.is_empty() {
        words.push(format!("virtiofsd {}", find_virtiofsd().await?.version));
    }
    let mut config = config.clone();
    config.disks.iter_mut().for_each(|disk| disk.layer = None);
    words.extend(arguments(&config, &means, &channels)?);
    Ok(words.join(" "))
}

/// Waits until the guest's kernel has printed something. The error says how it failed.
pub(crate) async fn first_line(launched: &Launched, config: &VmConfig) -> Result<(), String> {
    const BOUND: Duration = Duration::from_secs(20);
    let deadline = Instant::now() + BOUND;
    while console::length(&config.console_log) <= launched.console_length {
        if timeout(Duration::from_millis(50), launched.qemu.wait())
            .await
            .is_ok()
        {
            return Err(format!("QEMU ended: {}", launched.qemu.last_words()));
        }
        let stopped = launched.qmp.run_state().await;
        if stopped
            .as_ref()
            .is_ok_and(|state| state == "internal-error")
        {
            return Err(format!(
                "KVM internal error: {}",
                launched.qemu.last_words()
            ));
        }
        if Instant::now() > deadline {
            return Err(format!("the kernel printed nothing within {BOUND:?}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// QEMU answers before it looks at a disk; a busy host may make that slow.
async fn connect(
    process: &Process,
    stream: UnixStream,
) -> Result<(Qmp, mpsc::UnboundedReceiver<Event>), DriverError> {
    const BOUND: Duration = Duration::from_secs(30);
    let connected = timeout(BOUND, Qmp::connect(stream)).await;
    match connected {
        Ok(Ok(connected)) => Ok(connected),
        Err(_) => Err(DriverError::Timeout {
            what: "the start of QMP",
            after: BOUND,
        }),
        Ok(Err(_)) => {
            // It has closed its end: it has ended, or is about to.
            process.kill();
            process.wait().await;
            Err(DriverError::Start(process.last_words()))
        }
    }
}

fn pair() -> Result<(UnixStream, OwnedFd), DriverError> {
    let made = || {
        let (ours, theirs) = blocking::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((UnixStream::from_std(ours)?, theirs.into()))
    };
    made().map_err(|source| io("cannot make a socket pair", source))
}

fn io(context: &str, source: std::io::Error) -> DriverError {
    DriverError::Io {
        context: context.into(),
        source,
    }
}
