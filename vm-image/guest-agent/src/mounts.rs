//! The file systems of the guest beside root, data disk and shares.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

/// Nothing in these is meant to be run or to be a device.
const PLAIN: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

const CGROUPS: &str = "/sys/fs/cgroup";

/// Mounts a file system without a disk.
pub(crate) fn mount_kind(
    source: &str,
    target: &str,
    kind: &str,
    flags: MsFlags,
    options: &str,
) -> io::Result<()> {
    mount(Some(source), target, Some(kind), flags, Some(options))
        .map_err(|error| io::Error::other(format!("{kind} cannot be mounted on {target}: {error}")))
}

/// Binds `source` over `target`.
pub(crate) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?)
}

/// Mounts what the engine expects of a Linux system, once in the root.
///
/// securityfs stays away: with it the engine would see AppArmor in the kernel and refuse to start
/// containers without a profile, which needs a parser that the image has not.
pub(crate) fn mount_rest() -> io::Result<()> {
    let no_exec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let no_device = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    for (source, target, kind, flags, options) in [
        ("run", "/run", "tmpfs", no_device, "size=20%,mode=0755"),
        ("tmp", "/tmp", "tmpfs", no_device, "size=50%,mode=1777"),
        (
            "devpts",
            "/dev/pts",
            "devpts",
            no_exec,
            "gid=5,mode=0620,ptmxmode=0666",
        ),
        ("shm", "/dev/shm", "tmpfs", no_device, "mode=1777"),
        ("cgroup2", CGROUPS, "cgroup2", PLAIN, "nsdelegate"),
    ] {
        fs::create_dir_all(target)?;
        mount_kind(source, target, kind, flags, options)?;
    }
    // A kernel may lack these; few containers miss them.
    for (source, target, kind, options) in [
        ("mqueue", "/dev/mqueue", "mqueue", ""),
        ("bpf", "/sys/fs/bpf", "bpf", "mode=0700"),
        ("tracefs", "/sys/kernel/tracing", "tracefs", "mode=0700"),
    ] {
        if fs::create_dir_all(target).is_ok()
            && let Err(error) = mount_kind(source, target, kind, PLAIN, options)
        {
            tracing::info!("{error}");
        }
    }
    fs::create_dir_all("/run/lock")?;
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        // devtmpfs has none of these; a container's own /dev does not come from here.
        let _ = std::os::unix::fs::symlink(target, Path::new("/dev").join(link));
    }
    delegate_controllers()
}

/// Lets the groups below the root use every controller.
fn delegate_controllers() -> io::Result<()> {
    let root = Path::new(CGROUPS);
    let control = root.join("cgroup.subtree_control");
    for controller in fs::read_to_string(root.join("cgroup.controllers"))?.split_whitespace() {
        if let Err(error) = fs::write(&control, format!("+{controller}")) {
            tracing::warn!("the cgroup controller {controller} cannot be used: {error}");
        }
    }
    Ok(())
}
