//! The container's files, for the client to read the executable and its libraries.

use gdbstub::target::ext::host_io::{
    FsKind, HostIo, HostIoClose, HostIoCloseOps, HostIoErrno, HostIoError, HostIoFstat,
    HostIoFstatOps, HostIoOpen, HostIoOpenFlags, HostIoOpenMode, HostIoOpenOps, HostIoPread,
    HostIoPreadOps, HostIoReadlink, HostIoReadlinkOps, HostIoResult, HostIoSetfs, HostIoSetfsOps,
    HostIoStat,
};
use std::os::unix::fs::MetadataExt;

use super::Process;

impl HostIo for Process {
    fn support_open(&mut self) -> Option<HostIoOpenOps<'_, Self>> {
        Some(self)
    }

    fn support_close(&mut self) -> Option<HostIoCloseOps<'_, Self>> {
        Some(self)
    }

    fn support_pread(&mut self) -> Option<HostIoPreadOps<'_, Self>> {
        Some(self)
    }

    fn support_fstat(&mut self) -> Option<HostIoFstatOps<'_, Self>> {
        Some(self)
    }

    fn support_readlink(&mut self) -> Option<HostIoReadlinkOps<'_, Self>> {
        Some(self)
    }

    fn support_setfs(&mut self) -> Option<HostIoSetfsOps<'_, Self>> {
        Some(self)
    }
}

impl HostIoOpen for Process {
    fn open(
        &mut self,
        name: &[u8],
        flags: HostIoOpenFlags,
        _: HostIoOpenMode,
    ) -> HostIoResult<u32, Self> {
        let writing =
            HostIoOpenFlags::O_WRONLY | HostIoOpenFlags::O_RDWR | HostIoOpenFlags::O_CREAT;
        if flags.intersects(writing) {
            return Err(HostIoError::Errno(HostIoErrno::EROFS));
        }
        Ok(self.files.open(name)?)
    }
}

impl HostIoClose for Process {
    fn close(&mut self, fd: u32) -> HostIoResult<(), Self> {
        match self.files.close(fd) {
            true => Ok(()),
            false => Err(HostIoError::Errno(HostIoErrno::EBADF)),
        }
    }
}

impl HostIoPread for Process {
    fn pread(
        &mut self,
        fd: u32,
        count: usize,
        offset: u64,
        buffer: &mut [u8],
    ) -> HostIoResult<usize, Self> {
        let count = count.min(buffer.len());
        Ok(self.files.read(fd, offset, &mut buffer[..count])?)
    }
}

impl HostIoFstat for Process {
    fn fstat(&mut self, fd: u32) -> HostIoResult<HostIoStat, Self> {
        let found = self.files.metadata(fd)?;
        Ok(HostIoStat {
            st_dev: found.dev() as u32,
            st_ino: found.ino() as u32,
            st_mode: HostIoOpenMode::from_bits_truncate(found.mode()),
            st_nlink: found.nlink() as u32,
            st_uid: found.uid(),
            st_gid: found.gid(),
            st_rdev: found.rdev() as u32,
            st_size: found.size(),
            st_blksize: found.blksize(),
            st_blocks: found.blocks(),
            st_atime: found.atime() as u32,
            st_mtime: found.mtime() as u32,
            st_ctime: found.ctime() as u32,
        })
    }
}

impl HostIoReadlink for Process {
    fn readlink(&mut self, name: &[u8], buffer: &mut [u8]) -> HostIoResult<usize, Self> {
        let target = self.files.link(name)?;
        match buffer.get_mut(..target.len()) {
            Some(place) => {
                place.copy_from_slice(&target);
                Ok(target.len())
            }
            None => Err(HostIoError::Errno(HostIoErrno::ENAMETOOLONG)),
        }
    }
}

impl HostIoSetfs for Process {
    /// There is one file system here: the process' own.
    fn setfs(&mut self, _: FsKind) -> HostIoResult<(), Self> {
        Ok(())
    }
}
