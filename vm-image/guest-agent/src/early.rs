//! From the kernel's first process to the real root, as the same process.
//!
//! Runs before there is any thread. Every error here is the end of the VM: there is
//! nothing yet that could report it but the console.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use coracle_guest_api::{BootConfig, ROOT_DISK};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot};

use crate::{disks, modules, mounts};

/// Where a copy of this program lives in the guest.
pub(crate) const AGENT_COPY: &str = "/run/coracle/agent";

/// Where the initramfs says which image this is; without it the agent's own version is told.
const IMAGE_VERSION: &str = "/image-version";

/// What was learned on the way.
pub(crate) struct EarlyBoot {
    /// What the daemon asked for.
    pub(crate) config: BootConfig,
    /// Version of the image.
    pub(crate) image_version: String,
}

/// What cannot be done without, in one sentence.
pub(crate) type Fatal = Box<dyn std::error::Error>;

/// Mounts what is needed to find the disks, reads the boot configuration, enters the root.
pub(crate) fn boot() -> Result<EarlyBoot, Fatal> {
    for (source, target, kind) in [
        ("dev", "/dev", "devtmpfs"),
        ("proc", "/proc", "proc"),
        ("sys", "/sys", "sysfs"),
    ] {
        fs::create_dir_all(target)?;
        mounts::mount_kind(source, target, kind, MsFlags::empty(), "")?;
    }
    modules::load_initramfs()?;
    let config = disks::boot_config()?;
    let image_version = fs::read_to_string(IMAGE_VERSION).map_or_else(
        |_| env!("CARGO_PKG_VERSION").to_owned(),
        |text| text.trim().to_owned(),
    );
    assemble_root()?;
    let agent = fs::read("/proc/self/exe")?;
    enter_root()?;
    mounts::mount_rest()?;
    install_agent(&agent)?;
    Ok(EarlyBoot {
        config,
        image_version,
    })
}

/// The read-only root with a layer in memory over it, at `/newroot`.
fn assemble_root() -> Result<(), Fatal> {
    let disk = disks::wait_for(ROOT_DISK)?;
    for folder in ["/lower", "/upper", "/newroot"] {
        fs::create_dir_all(folder)?;
    }
    mount(
        Some(&disk),
        "/lower",
        Some("squashfs"),
        MsFlags::MS_RDONLY,
        None::<&str>,
    )
    .map_err(|error| format!("the root file system cannot be mounted: {error}"))?;
    mounts::mount_kind(
        "upper",
        "/upper",
        "tmpfs",
        MsFlags::empty(),
        "size=25%,mode=0755",
    )?;
    for folder in ["/upper/data", "/upper/work"] {
        fs::create_dir(folder)?;
    }
    mounts::mount_kind(
        "root",
        "/newroot",
        "overlay",
        MsFlags::MS_NOATIME,
        "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work",
    )?;
    // The overlay keeps its layers; the names would only be in the way.
    for folder in ["/lower", "/upper"] {
        umount2(folder, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Makes `/newroot` the root and gives the initramfs's memory back.
fn enter_root() -> Result<(), Fatal> {
    for folder in ["dev", "proc", "sys"] {
        let target = format!("/newroot/{folder}");
        mount(
            Some(format!("/{folder}").as_str()),
            target.as_str(),
            None::<&str>,
            MsFlags::MS_MOVE,
            None::<&str>,
        )?;
    }
    let initramfs = fs::metadata("/")?.dev();
    remove_below(Path::new("/"), initramfs);
    chdir("/newroot")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    chroot(".")?;
    chdir("/")?;
    // Containers may ask for shared propagation of a bind mount.
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_SHARED,
        None::<&str>,
    )?;
    Ok(())
}

/// Deletes everything below `folder` on the file system `device`; what stays is only memory lost.
fn remove_below(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match fs::symlink_metadata(&path) {
            Ok(found) if found.dev() != device => {}
            Ok(found) if found.is_dir() => {
                remove_below(&path, device);
                let _ = fs::remove_dir(&path);
            }
            _ => {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Puts the program where dockerd finds its userland proxy.
fn install_agent(program: &[u8]) -> io::Result<()> {
    let copy = Path::new(AGENT_COPY);
    if let Some(folder) = copy.parent() {
        fs::DirBuilder::new()
            .mode(0o755)
            .recursive(true)
            .create(folder)?;
    }
    fs::write(copy, program)?;
    fs::set_permissions(copy, fs::Permissions::from_mode(0o755))?;
    std::os::unix::fs::symlink(copy, crate::docker_proxy::PATH)
}
