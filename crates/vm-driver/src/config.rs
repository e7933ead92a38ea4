use std::path::PathBuf;

/// The machine to start. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmConfig {
    /// Name for process titles and logs.
    pub name: String,
    /// Number of virtual CPUs, at least 1.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel image, booted directly.
    pub kernel: PathBuf,
    /// Initial file system.
    pub initramfs: PathBuf,
    /// What to add to the kernel's command line; the driver adds its console.
    pub cmdline: String,
    /// Disks, found in the guest by their serial number.
    pub disks: Vec<Disk>,
    /// Shared folders.
    pub shares: Vec<Share>,
    /// The serial console is appended to this file.
    pub console_log: PathBuf,
    /// An existing folder of mode 0700 for the driver's sockets and its helpers' logs.
    pub runtime_dir: PathBuf,
}

/// A disk of the VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Serial number, at most 20 ASCII letters.
    pub serial: String,
    /// A raw file.
    pub path: PathBuf,
    /// The layer over it, if there is one (see [`Layers`](crate::Layers)): all writes go there.
    pub layer: Option<PathBuf>,
    /// Whether the guest may only read.
    pub read_only: bool,
}

/// A host folder for the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The virtiofs tag, at most 36 bytes.
    pub tag: String,
    /// The folder.
    pub path: PathBuf,
    /// Whether the guest may only read.
    pub read_only: bool,
}
