//! The folder in the container that debugpy is imported from.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Where the guest's root has debugpy.
pub(super) const BUNDLE: &str = "/usr/lib/coracle/debugpy";

/// `/dev/.coracle-debug-PID` in the container, with `lib` and `report`.
pub(super) struct Place {
    pid: u32,
}

impl Place {
    pub(super) fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Its path as the process sees it.
    pub(super) fn inside(&self) -> String {
        format!("/dev/.coracle-debug-{}", self.pid)
    }

    /// What the process has told; `None` when nothing yet.
    pub(super) fn report(&self) -> Option<String> {
        let text = fs::read_to_string(self.outside().join("report")).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Whether it is there, and the process with it.
    pub(super) fn is_there(&self) -> bool {
        self.outside().is_dir()
    }

    /// Makes it. The calling process must have one thread.
    pub(super) fn make(&self) -> io::Result<()> {
        let bundle = clone_mount(Path::new(BUNDLE))?;
        self.in_container(|folder| {
            fs::create_dir_all(folder.join("lib"))?;
            let report = folder.join("report");
            fs::write(&report, "")?;
            // The process is any user.
            fs::set_permissions(&report, fs::Permissions::from_mode(0o666))?;
            // A second layer over the first would do no harm, and is of no use.
            if fs::exists(folder.join("lib/debugpy"))? {
                return Ok(());
            }
            move_mount(&bundle, &folder.join("lib"))
        })
    }

    /// Removes it. The calling process must have one thread.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.in_container(|folder| {
            umount2(&folder.join("lib"), MntFlags::MNT_DETACH)?;
            fs::remove_dir_all(folder)
        })
    }

    /// Its path from outside the container.
    fn outside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.pid, self.inside()))
    }

    /// Does something in the container's mount namespace, in a child: `/proc` is another one there.
    fn in_container(&self, work: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let namespace = File::open(format!("/proc/{}/ns/mnt", self.pid))?;
        // SAFETY: the caller promises that there is no other thread, so the child may do anything.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let done = setns(namespace, CloneFlags::CLONE_NEWNS)
                    .map_err(io::Error::from)
                    .and_then(|()| work(Path::new(&self.inside())));
                let code = done.map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
                std::process::exit(code)
            }
            ForkResult::Parent { child } => match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(_, code) => Err(io::Error::from_raw_os_error(code)),
                _ => Err(io::Error::other("the mounting process was killed")),
            },
        }
    }
}

/// A mount of a folder that is nowhere yet, and that nobody can write to.
fn clone_mount(folder: &Path) -> io::Result<OwnedFd> {
    const OPEN_TREE_CLONE: libc::c_uint = 1;
    let path = CString::new(folder.as_os_str().as_encoded_bytes())?;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as libc::c_uint;
    // SAFETY: the path ends with a zero and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: the attributes have the size that is told, and outlive the call.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    match set {
        0 => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}

fn move_mount(mount: &OwnedFd, folder: &Path) -> io::Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
    let path = CString::new(folder.as_os_str().as_encoded_bytes())?;
    // SAFETY: both paths end with a zero and outlive the call.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    match moved {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
