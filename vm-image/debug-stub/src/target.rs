//! The process as gdbstub sees it.

mod facts;
mod files;
mod resume;
mod traps;

use std::io;
use std::num::NonZeroUsize;

use gdbstub::common::{Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::auxv::AuxvOps;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{MultiThreadBase, MultiThreadResumeOps};
use gdbstub::target::ext::breakpoints::{BreakpointsOps, WatchKind};
use gdbstub::target::ext::exec_file::ExecFileOps;
use gdbstub::target::ext::host_io::HostIoOps;
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverrideOps;
use gdbstub::target::ext::thread_extra_info::ThreadExtraInfoOps;
use gdbstub::target::{Target, TargetError, TargetResult};
use nix::libc;
use nix::unistd::Pid;

use crate::arch::{self, Processor, Registers};
use crate::container_files::ContainerFiles;
use crate::signals;
use crate::tracer::{End, Stop, Tracer};

/// A traced process with what a client wants to know beside memory and registers.
pub(crate) struct Process {
    pub(crate) tracer: Tracer,
    files: ContainerFiles,
    description: String,
}

impl Process {
    pub(crate) fn new(tracer: Tracer) -> io::Result<Self> {
        let pid = tracer.pid();
        let any = tracer.threads().next().unwrap_or(pid);
        Ok(Self {
            files: ContainerFiles::of(pid)?,
            description: arch::description(any),
            tracer,
        })
    }

    /// What to report to the client, once all threads have stopped.
    pub(crate) fn take_stop(&mut self) -> io::Result<Option<MultiThreadStopReason<u64>>> {
        Ok(self.tracer.take_stop()?.map(reason))
    }
}

fn reason((tid, stop): (Pid, Stop)) -> MultiThreadStopReason<u64> {
    let tid = to_gdb(tid);
    let signal = |signal| MultiThreadStopReason::SignalWithThread { tid, signal };
    match stop {
        Stop::Signal(number) => signal(signals::to_gdb(number)),
        Stop::Breakpoint(_) => MultiThreadStopReason::SwBreak(tid),
        Stop::Watch(watch) => match watch.kind {
            arch::WatchKind::Execute => MultiThreadStopReason::HwBreak(tid),
            kind => MultiThreadStopReason::Watch {
                tid,
                kind: match kind {
                    arch::WatchKind::Write => WatchKind::Write,
                    _ => WatchKind::ReadWrite,
                },
                addr: watch.address,
            },
        },
        Stop::Step | Stop::Exec => signal(Signal::SIGTRAP),
        Stop::Interrupted => signal(Signal::SIGINT),
        Stop::End(End::Exited(code)) => MultiThreadStopReason::Exited(code),
        Stop::End(End::Killed(number)) => {
            MultiThreadStopReason::Terminated(signals::to_gdb(number))
        }
    }
}

/// gdbstub's thread ids are never 0, and neither are Linux'.
fn to_gdb(tid: Pid) -> Tid {
    let number = usize::try_from(tid.as_raw())
        .ok()
        .and_then(NonZeroUsize::new);
    number.unwrap_or(NonZeroUsize::MIN)
}

fn from_gdb(tid: Tid) -> Pid {
    Pid::from_raw(i32::try_from(tid.get()).unwrap_or(i32::MAX))
}

impl Target for Process {
    type Arch = Processor;
    type Error = io::Error;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }

    fn use_lldb_register_info(&self) -> bool {
        false
    }

    // The tracer deals with children itself and lets them go.
    fn use_fork_stop_reason(&self) -> bool {
        false
    }

    fn use_vfork_stop_reason(&self) -> bool {
        false
    }

    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }

    fn support_host_io(&mut self) -> Option<HostIoOps<'_, Self>> {
        Some(self)
    }

    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        Some(self)
    }

    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Process {
    fn read_registers(&mut self, registers: &mut Registers, tid: Tid) -> TargetResult<(), Self> {
        *registers = Registers::read(from_gdb(tid))?;
        Ok(())
    }

    fn write_registers(&mut self, registers: &Registers, tid: Tid) -> TargetResult<(), Self> {
        Ok(registers.write(from_gdb(tid))?)
    }

    fn read_addrs(&mut self, address: u64, data: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        let length = self.tracer.memory.read(address, data)?;
        self.tracer.breakpoints.hide(address, &mut data[..length]);
        match length {
            0 if !data.is_empty() => Err(TargetError::Errno(libc::EFAULT as u8)),
            length => Ok(length),
        }
    }

    fn write_addrs(&mut self, address: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        let patched = self.tracer.breakpoints.keep(address, data);
        Ok(self.tracer.memory.write(address, &patched)?)
    }

    fn list_active_threads(&mut self, each: &mut dyn FnMut(Tid)) -> Result<(), io::Error> {
        self.tracer.threads().for_each(|tid| each(to_gdb(tid)));
        Ok(())
    }

    fn is_thread_alive(&mut self, tid: Tid) -> Result<bool, io::Error> {
        Ok(self.tracer.has(from_gdb(tid)))
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}
