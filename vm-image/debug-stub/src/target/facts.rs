//! What the client wants to know beside memory and registers.

use std::fs;
use std::io;

use gdbstub::common::{Pid, Tid};
use gdbstub::target::TargetResult;
use gdbstub::target::ext::auxv::Auxv;
use gdbstub::target::ext::exec_file::ExecFile;
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverride;
use gdbstub::target::ext::thread_extra_info::ThreadExtraInfo;

use super::{Process, from_gdb};
use crate::proc;

impl TargetDescriptionXmlOverride for Process {
    fn target_description_xml(
        &self,
        _annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        Ok(part(self.description.as_bytes(), offset, length, buffer))
    }
}

impl ExecFile for Process {
    fn get_exec_file(
        &self,
        _pid: Option<Pid>,
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let path = proc::executable(self.tracer.pid())?;
        Ok(part(path.as_bytes(), offset, length, buffer))
    }
}

impl Auxv for Process {
    fn get_auxv(&self, offset: u64, length: usize, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        let vector = fs::read(proc::path(self.tracer.pid(), "auxv"))?;
        Ok(part(&vector, offset, length, buffer))
    }
}

impl ThreadExtraInfo for Process {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, io::Error> {
        // One that has just ended has no name.
        let name = proc::status(from_gdb(tid), "Name").unwrap_or_default();
        Ok(part(name.as_bytes(), 0, buffer.len(), buffer))
    }
}

/// Copies at most `length` bytes from `offset` on; returns how many there were.
fn part(all: &[u8], offset: u64, length: usize, buffer: &mut [u8]) -> usize {
    let start = usize::try_from(offset).map_or(all.len(), |offset| offset.min(all.len()));
    let length = length.min(all.len() - start).min(buffer.len());
    buffer[..length].copy_from_slice(&all[start..start + length]);
    length
}
