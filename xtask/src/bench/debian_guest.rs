//! The peer of a cold start: an ordinary Debian guest with systemd and the same engine.
//!
//! Set up as well as Debian's documentation says: the cloud kernel booted directly, an
//! initramfs with only the modules that the root needs (`MODULES=list`), a static address,
//! journal in memory, units that a VM has no use for masked, and nothing that waits for the
//! network. `docker.socket` listens on TCP too, which costs the engine nothing.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::load;
use super::stage::{CPUS, MEMORY_MIB};
use crate::digest::Digest;
use crate::process::{self, progress};
use crate::{checkout, debian};

/// Debian's packages; what they recommend does not come along.
const PACKAGES: &str = "systemd,systemd-sysv,udev,kmod,iproute2,e2fsprogs,ca-certificates,zstd,\
                        initramfs-tools,linux-image-cloud-amd64,docker.io,iptables";

/// What an engine in a VM has no use for.
const MASKED: &str = "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer \
    getty@tty1.service serial-getty@ttyS0.service getty-static.service \
    systemd-networkd-wait-online.service systemd-timesyncd.service systemd-firstboot.service \
    systemd-journal-flush.service systemd-journal-catalog-update.service \
    systemd-update-utmp.service systemd-update-done.service systemd-hwdb-update.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-binfmt.service \
    systemd-random-seed.service ldconfig.service sys-kernel-debug.mount \
    sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount";

/// Runs for the finished tree, `$1`.
const SET_UP: &str = r#"set -e
printf 'virtio_pci\nvirtio_blk\next4\n' > "$1/etc/initramfs-tools/modules"
sed -i 's/^MODULES=.*/MODULES=list/' "$1/etc/initramfs-tools/initramfs.conf"
printf '/dev/vda / ext4 defaults,noatime 0 0\n' > "$1/etc/fstab"
printf 'peer\n' > "$1/etc/hostname"
mkdir -p "$1/etc/systemd/journald.conf.d" "$1/etc/systemd/system/docker.socket.d"
printf '[Journal]\nStorage=volatile\n' > "$1/etc/systemd/journald.conf.d/volatile.conf"
printf '[Socket]\nListenStream=2375\n' > "$1/etc/systemd/system/docker.socket.d/tcp.conf"
printf '[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nDNS=10.0.2.3\n' \
    > "$1/etc/systemd/network/10-static.network"
for unit in $MASKED; do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
chroot "$1" systemctl enable systemd-networkd.service docker.service docker.socket
chroot "$1" update-initramfs -u -k all
"#;

/// Makes the disk of the extracted tree; as root of a user namespace where it is not run by root.
const MAKE_DISK: &str = r#"set -e
mkdir -p "$1/tree/dev"
tar --extract --file "$1/tree.tar" --directory "$1/tree"
cp "$1"/tree/boot/vmlinuz-* "$1/vmlinuz"
cp "$1"/tree/boot/initrd.img-* "$1/initrd.img"
truncate --size 8G "$1/disk.raw"
mke2fs -q -F -t ext4 -d "$1/tree" "$1/disk.raw"
rm -rf "$1/tree" "$1/tree.tar"
"#;

/// The guest's files.
pub(super) struct DebianGuest {
    /// What is never written to again.
    base: PathBuf,
    /// The disk of this run, which has booted once.
    disk: PathBuf,
    port: u16,
    arguments: Vec<String>,
}

/// A guest that runs; ends when dropped.
pub(super) struct Booted(Child);

impl DebianGuest {
    /// `base` as [`base`] makes it, `accelerator` as on QEMU's command line; the disk of this
    /// run will be in `folder`.
    pub(super) fn new(base: PathBuf, folder: &Path, accelerator: &[String]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let disk = folder.join("peer.raw");
        let arguments = arguments(&base, &disk, port, accelerator);
        Ok(Self {
            base,
            disk,
            port,
            arguments,
        })
    }

    /// Gives it a fresh disk.
    pub(super) fn renew(&self, from: Option<&Path>) -> Result<()> {
        let source = from.map_or_else(|| self.base.join("disk.raw"), Path::to_owned);
        copy_sparse(&source, &self.disk)
    }

    /// Its disk.
    pub(super) fn disk(&self) -> &Path {
        &self.disk
    }

    /// QEMU's exact command.
    pub(super) fn command_line(&self) -> String {
        format!("{QEMU} {}", self.arguments.join(" \\\n  "))
    }

    /// Starts it.
    pub(super) fn boot(&self) -> Result<Booted> {
        let child = process::command(QEMU)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot run QEMU")?;
        Ok(Booted(child))
    }

    /// Waits for the engine's first answer.
    pub(super) fn await_engine(&self) -> Result<()> {
        load::first_answer(&load::Target::Tcp(self.port), Duration::from_secs(300))
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const QEMU: &str = "qemu-system-x86_64";

/// As for our own VM but for what is ours: see the driver's command line.
fn arguments(base: &Path, disk: &Path, port: u16, accelerator: &[String]) -> Vec<String> {
    let mut line: Vec<String> = accelerator.to_vec();
    let mut add = |text: &str| line.extend(text.split(' ').map(str::to_owned));
    add("-name guest=peer -nodefaults -no-user-config -no-reboot -display none");
    add("-machine q35,vmport=off,smm=off,sata=off,usb=off,memory-backend=memory");
    add(&format!("-smp {CPUS} -m {MEMORY_MIB}M"));
    add(&format!(
        "-object memory-backend-memfd,id=memory,size={MEMORY_MIB}M,share=on"
    ));
    let base = base.display();
    add(&format!(
        "-kernel {base}/vmlinuz -initrd {base}/initrd.img -append"
    ));
    line.push("root=/dev/vda rw console=ttyS0 quiet loglevel=3 systemd.show_status=no".into());
    let mut add = |text: &str| line.extend(text.split(' ').map(str::to_owned));
    add(&format!(
        "-chardev file,id=console,path={}.log -serial chardev:console",
        disk.display()
    ));
    add(&format!(
        "-blockdev driver=raw,node-name=disk0,discard=unmap,detect-zeroes=unmap,\
         cache.direct=off,cache.no-flush=off,file.driver=file,file.filename={},file.aio=threads",
        disk.display()
    ));
    add("-object iothread,id=io0 -device virtio-blk-pci,drive=disk0,iothread=io0,write-cache=on");
    add(&format!(
        "-netdev user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:2375"
    ));
    add("-device virtio-net-pci,netdev=net,romfile=");
    add("-object rng-random,id=entropy,filename=/dev/urandom -device virtio-rng-pci,rng=entropy");
    line
}

/// Kernel, initramfs and disk: made now, or found in the cache.
pub(super) fn base() -> Result<PathBuf> {
    let cache = checkout::cache("bench")?;
    let mut digest = Digest::default();
    for part in [PACKAGES, MASKED, SET_UP, MAKE_DISK, debian::SUITE] {
        digest.add(part);
    }
    let folder = cache.join(format!("systemd-{}", &digest.finish()[..16]));
    if folder.is_dir() {
        return Ok(folder);
    }
    progress(
        "bench",
        "making the peer's guest from Debian's packages, some minutes",
    );
    let scratch = checkout::scratch(&cache)?;
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755))?;
    let root = nix::unistd::geteuid().is_root();
    let mut command = process::command("mmdebstrap");
    command
        .args(["--variant=minbase", "--format=tar", "--skip=output/dev"])
        .arg(if root {
            "--mode=root"
        } else {
            "--mode=unshare"
        })
        .arg(format!("--keyring={}", debian::KEYRING))
        .arg(format!("--include={PACKAGES}"))
        .arg("--dpkgopt=force-unsafe-io")
        .args(
            ["man", "doc", "locale"]
                .map(|name| format!("--dpkgopt=path-exclude=/usr/share/{name}/*")),
        )
        .arg(format!(
            "--customize-hook={}",
            SET_UP.replace("$MASKED", MASKED)
        ))
        .arg(debian::SUITE)
        .arg(scratch.path().join("tree.tar"))
        .args(debian::sources());
    process::output(&mut command).context("cannot make the peer's guest")?;
    let mut disk = match root {
        true => Command::new("sh"),
        false => {
            let mut unshare = Command::new("unshare");
            unshare.args(["--map-root-user", "--map-auto", "sh"]);
            unshare
        }
    };
    process::output(disk.args(["-c", MAKE_DISK, "sh"]).arg(scratch.path()))
        .context("cannot make the disk of the peer's guest")?;
    debian::publish(scratch, &folder)?;
    ensure!(
        folder.join("initrd.img").is_file(),
        "the peer's guest has no initramfs"
    );
    Ok(folder)
}

/// Copies a file with its holes.
pub(super) fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    process::output(command.arg("--sparse=always").args([from, to]))?;
    Ok(())
}
