//! Host folders over virtiofs, at the same path as on the host.

use std::fs;
use std::io;
use std::path::{Component, Path};

use coracle_guest_api::boot::ShareMount;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// The guest itself lives here: nothing may be mounted on these nor on a folder that holds them.
const SYSTEM: &[&str] = &[
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/var/lib/containerd",
    "/var/lib/coracle-data",
    "/var/lib/docker",
    "/var/run",
];

/// Nor may anything be mounted below these.
const KERNEL: &[&str] = &["/dev", "/proc", "/run", "/sys"];

/// Mounts `share` and covers its masks.
///
/// # Errors
/// One sentence; then nothing of the share is left mounted.
pub(crate) fn attach(share: &ShareMount) -> Result<(), String> {
    check(share)?;
    let failed =
        |error: io::Error| format!("The folder {} could not be shared: {error}.", share.path);
    fs::create_dir_all(&share.path).map_err(failed)?;
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    flags.set(MsFlags::MS_RDONLY, share.read_only);
    mount(
        Some(share.tag.as_str()),
        share.path.as_str(),
        Some("virtiofs"),
        flags,
        None::<&str>,
    )
    .map_err(|error| failed(error.into()))?;
    for mask in &share.masks {
        if let Err(error) = cover(mask) {
            // An uncovered secret is worse than a missing share.
            let _ = umount2(share.path.as_str(), MntFlags::MNT_DETACH);
            return Err(failed(error));
        }
    }
    Ok(())
}

/// Takes the share away, at once for new users of it.
pub(crate) fn detach(path: &str) {
    // Its masks lie inside and go with it.
    if let Err(error) = umount2(path, MntFlags::MNT_DETACH) {
        tracing::warn!("{path} was not unmounted: {error}");
    }
}

fn cover(mask: &str) -> io::Result<()> {
    match fs::symlink_metadata(mask) {
        // Nothing there: creating it would create it on the host.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            let flags =
                MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            Ok(mount(
                Some("mask"),
                mask,
                Some("tmpfs"),
                flags,
                Some("size=4k,mode=0555"),
            )?)
        }
    }
}

fn check(share: &ShareMount) -> Result<(), String> {
    let path = Path::new(&share.path);
    let plain = |path: &Path| {
        path.is_absolute()
            && path
                .components()
                .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    };
    let holds_system = SYSTEM
        .iter()
        .any(|system| Path::new(system).starts_with(path));
    let in_kernel = KERNEL.iter().any(|kernel| path.starts_with(kernel));
    if !plain(path) || holds_system || in_kernel {
        return Err(format!(
            "The folder {} cannot be shared: the VM needs its own there.",
            share.path
        ));
    }
    if let Some(mask) = share
        .masks
        .iter()
        .map(Path::new)
        .find(|mask| !plain(mask) || !mask.starts_with(path))
    {
        return Err(format!(
            "The folder {} cannot be shared: {} does not lie in it.",
            share.path,
            mask.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(path: &str, masks: &[&str]) -> ShareMount {
        ShareMount {
            tag: "t".into(),
            path: path.into(),
            read_only: false,
            masks: masks.iter().map(|mask| (*mask).to_owned()).collect(),
        }
    }

    #[test]
    fn shares_keep_off_the_guest_itself() {
        for path in [
            "/",
            "/usr",
            "/usr/lib",
            "/var",
            "/var/lib/docker",
            "/run/user/1000",
            "/proc/1",
            "home/u",
            "/home/../etc",
        ] {
            assert!(check(&share(path, &[])).is_err(), "{path}");
        }
        for path in [
            "/home/u",
            "/tmp/x",
            "/usr/local/src",
            "/var/lib/docker-stuff",
            "/usr/library",
            "/opt",
        ] {
            assert_eq!(check(&share(path, &[])), Ok(()), "{path}");
        }
    }

    #[test]
    fn masks_lie_in_their_share() {
        assert!(check(&share("/home/u", &["/home/u/.coracle"])).is_ok());
        assert!(check(&share("/home/u", &["/home/user2"])).is_err());
        assert!(check(&share("/home/u", &["/home/u/../../etc"])).is_err());
    }
}
