//! The memory of a process that is being debugged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::unistd::Pid;

use crate::proc;

/// Reads and writes at the process' addresses, also where the process itself may only read.
pub(crate) struct Memory(File);

impl Memory {
    /// Opens it. Stays with what the process runs now: after an exec it has to be opened again.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(proc::path(pid, "mem"))?;
        Ok(Self(file))
    }

    /// Fills as much of the buffer as can be read from `address` on; returns how much that is.
    pub(crate) fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], address + done as u64) {
                Ok(0) => break,
                Ok(length) => done += length,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Writes all of it.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, address)
    }
}
