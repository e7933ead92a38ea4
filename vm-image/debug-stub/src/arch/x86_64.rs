mod description;
mod float;
mod registers;
mod watchpoints;

use std::io;

use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::Watch;
pub(crate) use description::description;
pub(crate) use registers::{ExtendedState, Registers};
pub(crate) use watchpoints::Watchpoints;

/// `int3`.
pub(crate) const BREAKPOINT: [u8; 1] = [0xcc];

/// `TRAP_TRACE` and `TRAP_HWBKPT` of `asm-generic/siginfo.h`; the kernel sends the latter for every
/// debug register, and `SI_KERNEL` for `int3`.
const TRAP_TRACE: i32 = 2;
const TRAP_HWBKPT: i32 = 4;

/// Why a thread trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// At the breakpoint of this address, which the program counter has again.
    Breakpoint(u64),
    /// At a watchpoint.
    Watch(Watch),
    /// After one instruction.
    Step,
    /// Somebody sent SIGTRAP, or the program has an `int3` of its own.
    Signal,
}

/// Finds out why a thread stopped with SIGTRAP, and moves the program counter back onto the breakpoint.
pub(crate) fn cause(
    tid: Pid,
    watchpoints: &Watchpoints,
    is_breakpoint: impl Fn(u64) -> bool,
) -> io::Result<Cause> {
    let code = ptrace::getsiginfo(tid)?.si_code;
    if code == TRAP_HWBKPT
        && let Some(watch) = watchpoints.hit(tid)?
    {
        return Ok(Cause::Watch(watch));
    }
    if code == TRAP_TRACE {
        // A watchpoint that is hit by the very instruction is told here too.
        return Ok(watchpoints.hit(tid)?.map_or(Cause::Step, Cause::Watch));
    }
    if code == libc::SI_KERNEL {
        let mut registers = ptrace::getregs(tid)?;
        let before = registers.rip.wrapping_sub(BREAKPOINT.len() as u64);
        if is_breakpoint(before) {
            registers.rip = before;
            ptrace::setregs(tid, registers)?;
            return Ok(Cause::Breakpoint(before));
        }
    }
    Ok(Cause::Signal)
}
