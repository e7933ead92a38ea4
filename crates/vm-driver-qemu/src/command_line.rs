//! QEMU's command line. Why each flag is as it is: `docs/adr/0003-qemu-driver.md`.

#[cfg(test)]
mod tests;

use std::os::fd::RawFd;
use std::path::Path;

use coracle_guest_api::TRANSPORT_NAME;
use coracle_vm_driver::{Disk, DriverError, VmConfig};

use crate::accelerator::Accelerator;
use crate::host::{Machine, SANDBOX};
use crate::network;

/// How to run it on this host.
pub(crate) struct Means {
    pub(crate) machine: Machine,
    pub(crate) accelerator: Accelerator,
    pub(crate) sandbox: bool,
    /// Whether the memory comes from a file, which QMP will name.
    pub(crate) incoming: bool,
}

/// The descriptors that QEMU inherits: the guest's memory, and connected stream sockets.
pub(crate) struct Channels {
    pub(crate) memory: RawFd,
    pub(crate) qmp: RawFd,
    pub(crate) transport: RawFd,
    /// To the file servers, in the order of [`VmConfig::shares`].
    pub(crate) shares: Vec<RawFd>,
}

/// The arguments. Fails on a name or path that QEMU could not be told.
pub(crate) fn arguments(
    config: &VmConfig,
    means: &Means,
    channels: &Channels,
) -> Result<Vec<String>, DriverError> {
    let mut line = Line::default();
    line.machine(config, means, channels);
    line.boot(config, means)?;
    line.channels(config, channels)?;
    for (index, disk) in config.disks.iter().enumerate() {
        line.disk(index, disk)?;
    }
    for ((index, share), fd) in config.shares.iter().enumerate().zip(&channels.shares) {
        check_name("the tag of a share", &share.tag, 36)?;
        line.option("-chardev", format!("socket,id=share{index},fd={fd}"));
        let device = format!("vhost-user-fs-pci,chardev=share{index},tag={}", share.tag);
        line.option("-device", device);
    }
    line.option("-netdev", network::netdev("net"));
    // Without its boot ROM, which would only cost time.
    line.option("-device", "virtio-net-pci,netdev=net,romfile=");
    line.option("-object", "rng-random,id=entropy,filename=/dev/urandom");
    line.option("-device", "virtio-rng-pci,rng=entropy");
    line.option("-device", "virtio-balloon-pci,free-page-reporting=on");
    if means.incoming {
        line.option("-incoming", "defer");
        // Saved running, it would go on by itself as soon as it is loaded.
        line.flag("-S");
    }
    Ok(line.0)
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.flag(name);
        self.0.push(value.into());
    }

    fn machine(&mut self, config: &VmConfig, means: &Means, channels: &Channels) {
        self.option("-name", format!("guest={}", escape(&config.name)));
        for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
            self.flag(flag);
        }
        self.option("-display", "none");
        if means.sandbox {
            self.option("-sandbox", SANDBOX);
        }
        let machine = format!("{},memory-backend=memory", means.machine.machine);
        self.option("-machine", machine);
        for (name, value) in means.accelerator.options() {
            self.option(name, *value);
        }
        self.option("-smp", config.cpus.to_string());
        let size = config.memory_mib;
        self.option("-m", format!("{size}M"));
        // Shared, so that the file servers reach the guest's buffers. With a name, because QEMU
        // leaves only memory that has one to who else may save it.
        let path = format!("/proc/self/fd/{}", channels.memory);
        let memory = format!("memory-backend-file,id=memory,mem-path={path},size={size}M,share=on");
        self.option("-object", memory);
    }

    fn boot(&mut self, config: &VmConfig, means: &Means) -> Result<(), DriverError> {
        self.option("-kernel", text(&config.kernel)?);
        self.option("-initrd", text(&config.initramfs)?);
        let console = means.machine.console;
        let cmdline = format!("console={console} {}", config.cmdline);
        self.option("-append", cmdline.trim_end());
        Ok(())
    }

    fn channels(&mut self, config: &VmConfig, channels: &Channels) -> Result<(), DriverError> {
        let log = escape(text(&config.console_log)?);
        self.option("-chardev", format!("file,id=console,path={log},append=on"));
        self.option("-serial", "chardev:console");
        self.option("-chardev", format!("socket,id=qmp,fd={}", channels.qmp));
        self.option("-mon", "chardev=qmp,mode=control");
        let transport = format!("socket,id=transport,fd={}", channels.transport);
        self.option("-chardev", transport);
        self.option("-device", "virtio-serial-pci");
        let port = format!("virtserialport,chardev=transport,name={TRANSPORT_NAME}");
        self.option("-device", port);
        Ok(())
    }

    fn disk(&mut self, index: usize, disk: &Disk) -> Result<(), DriverError> {
        check_name("the serial number of a disk", &disk.serial, 20)?;
        let writable = "discard=unmap,detect-zeroes=unmap";
        let mode = match disk.read_only || disk.layer.is_some() {
            true => "read-only=on",
            false => writable,
        };
        let mut drive = node(index);
        self.blockdev(&format!("driver=raw,node-name={drive},{mode}"), &disk.path)?;
        if let Some(file) = &disk.layer {
            let (layer, below) = (layer(&drive), drive);
            let options = format!("driver=qcow2,node-name={layer},{writable},backing={below}");
            self.blockdev(&options, file)?;
            drive = layer;
        }
        self.option("-object", format!("iothread,id=io{index}"));
        let serial = &disk.serial;
        let device = format!(
            "virtio-blk-pci,drive={drive},serial={serial},iothread=io{index},write-cache=on"
        );
        self.option("-device", device);
        Ok(())
    }

    fn blockdev(&mut self, options: &str, path: &Path) -> Result<(), DriverError> {
        // A write-back cache whose flushes reach the host's disk.
        let cache = "cache.direct=off,cache.no-flush=off";
        let path = escape(text(path)?);
        let file = format!("file.driver=file,file.filename={path},file.aio=threads");
        self.option("-blockdev", format!("{options},{cache},{file}"));
        Ok(())
    }
}

/// QEMU's name for the disk of this place in [`VmConfig::disks`].
pub(crate) fn node(index: usize) -> String {
    format!("disk{index}")
}

/// And for its layer.
pub(crate) fn layer(node: &str) -> String {
    format!("{node}-layer")
}

/// Commas separate QEMU's options; a doubled one stands for itself.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

pub(crate) fn text(path: &Path) -> Result<&str, DriverError> {
    path.to_str().ok_or_else(|| {
        DriverError::Config(format!(
            "{} cannot be used for a VM: its name is not valid UTF-8",
            path.display()
        ))
    })
}

fn check_name(what: &str, name: &str, longest: usize) -> Result<(), DriverError> {
    let fits = !name.is_empty()
        && name.len() <= longest
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    fits.then_some(()).ok_or_else(|| {
        DriverError::Config(format!(
            "{what} must be 1 to {longest} letters, digits, dots, dashes or underscores, not {name:?}"
        ))
    })
}
