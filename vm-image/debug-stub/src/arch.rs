//! What differs between processors: registers, breakpoints, watchpoints.

mod x86_64;

pub(crate) use x86_64::{
    BREAKPOINT, Cause, ExtendedState, Registers, Watchpoints, cause, description,
};

use gdbstub::arch;

/// The processor as gdbstub wants it described; the description itself depends on the machine.
#[derive(Debug)]
pub(crate) enum Processor {}

impl arch::Arch for Processor {
    type Usize = u64;
    type Registers = Registers;
    type BreakpointKind = usize;
    type RegId = ();
}

/// What a hardware watchpoint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) address: u64,
    /// In bytes.
    pub(crate) length: u64,
    pub(crate) kind: WatchKind,
}

/// Which accesses it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchKind {
    Execute,
    Write,
    ReadWrite,
}
