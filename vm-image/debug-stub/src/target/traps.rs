use gdbstub::target::TargetResult;
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
    SwBreakpointOps, WatchKind,
};

use super::Process;
use crate::arch::{self, Watch};

impl Breakpoints for Process {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Process {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let tracer = &mut self.tracer;
        Ok(tracer.breakpoints.insert(&tracer.memory, address))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let tracer = &mut self.tracer;
        Ok(tracer.breakpoints.remove(&tracer.memory, address))
    }
}

impl HwBreakpoint for Process {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.watch(execution(address))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.unwatch(execution(address))
    }
}

impl HwWatchpoint for Process {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.watch(access(address, length, kind))
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.unwatch(access(address, length, kind))
    }
}

impl Process {
    fn watch(&mut self, watch: Watch) -> TargetResult<bool, Self> {
        let added = self.tracer.watchpoints.add(watch);
        if added && let Err(error) = self.tracer.apply_watchpoints() {
            self.tracer.watchpoints.remove(watch);
            // Threads that took it lose it again; if even that fails they are gone.
            let _ = self.tracer.apply_watchpoints();
            return Err(error.into());
        }
        Ok(added)
    }

    fn unwatch(&mut self, watch: Watch) -> TargetResult<bool, Self> {
        let removed = self.tracer.watchpoints.remove(watch);
        if removed {
            self.tracer.apply_watchpoints()?;
        }
        Ok(removed)
    }
}

fn execution(address: u64) -> Watch {
    Watch {
        address,
        length: 1,
        kind: arch::WatchKind::Execute,
    }
}

/// The processor cannot watch reads alone; GDB knows that of x86 and asks for accesses.
fn access(address: u64, length: u64, kind: WatchKind) -> Watch {
    Watch {
        address,
        length,
        kind: match kind {
            WatchKind::Write => arch::WatchKind::Write,
            WatchKind::Read | WatchKind::ReadWrite => arch::WatchKind::ReadWrite,
        },
    }
}
