//! Files as the process sees them, whatever mount namespace and root it has.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::unistd::Pid;

use crate::proc;

/// How many files a client may have open at a time.
const MOST: usize = 256;

/// The root of the process, and what is open below it.
pub(crate) struct ContainerFiles {
    root: OwnedFd,
    open: BTreeMap<u32, File>,
    next: u32,
}

impl ContainerFiles {
    pub(crate) fn of(pid: Pid) -> io::Result<Self> {
        Ok(Self {
            root: File::open(proc::path(pid, "root"))?.into(),
            open: BTreeMap::new(),
            next: 3,
        })
    }

    /// Opens a regular file to read it. Symbolic links lead to no place outside the root.
    pub(crate) fn open(&mut self, name: &[u8]) -> io::Result<u32> {
        if self.open.len() == MOST {
            return Err(nix::errno::Errno::EMFILE.into());
        }
        // Opening a pipe or a device could block or do something.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(self.resolve(name, flags)?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let fd = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(fd, file);
        Ok(fd)
    }

    pub(crate) fn close(&mut self, fd: u32) -> bool {
        self.open.remove(&fd).is_some()
    }

    /// Fills the buffer as far as the file goes.
    pub(crate) fn read(&self, fd: u32, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file(fd)?.read_at(buffer, offset)
    }

    pub(crate) fn metadata(&self, fd: u32) -> io::Result<Metadata> {
        self.file(fd)?.metadata()
    }

    /// Where a symbolic link leads to, as it is written.
    pub(crate) fn link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let link = self.resolve(name, OFlag::O_PATH | OFlag::O_NOFOLLOW)?;
        Ok(readlinkat(&link, "")?.into_vec())
    }

    fn file(&self, fd: u32) -> io::Result<&File> {
        self.open
            .get(&fd)
            .ok_or_else(|| nix::errno::Errno::EBADF.into())
    }

    fn resolve(&self, name: &[u8], flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(openat2(&self.root, name, how)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::getpid;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_below_the_root_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("inside"), "text").unwrap();
        symlink("/inside", folder.path().join("absolute")).unwrap();
        symlink("../../../../inside", folder.path().join("up")).unwrap();
        let mut files = ContainerFiles::of(getpid()).unwrap();
        files.root = File::open(folder.path()).unwrap().into();
        for name in ["/inside", "absolute", "/up"] {
            let fd = files.open(name.as_bytes()).unwrap();
            let mut buffer = [0; 10];
            assert_eq!(files.read(fd, 1, &mut buffer).unwrap(), 3, "{name}");
            assert_eq!(files.metadata(fd).unwrap().len(), 4);
            assert!(files.close(fd));
            assert!(!files.close(fd));
        }
        assert_eq!(files.link(b"/absolute").unwrap(), b"/inside");
        assert!(files.open(b"/").is_err());
        assert!(files.open(b"/etc/passwd").is_err());
    }
}
