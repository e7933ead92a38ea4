//! The registers of a thread, as the kernel's three sets of them.

use std::io;

use gdbstub::arch;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::float::Float;

/// Where the upper halves of the AVX registers are in the extended state (Intel SDM volume 1,
/// "XSAVE Area": the standard form, which ptrace always gives).
const UPPER: usize = 576;
const UPPER_END: usize = UPPER + 16 * 16;

/// Where the extended state says which of its parts are in use, and where the kernel says which
/// there are (`sw_usable_bytes`, XCR0).
const IN_USE: usize = 512;
const AVAILABLE: usize = 464;

/// The bits of the x87, SSE and AVX parts.
const PARTS: u64 = 0b111;
const AVX: u64 = 0b100;

const NT_X86_XSTATE: i32 = 0x202;

/// More than the extended state takes, in bytes: with AVX-512 and AMX 11 KiB.
const MOST: usize = 16 << 10;

/// General, floating-point and vector registers of one thread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Registers {
    general: user_regs_struct,
    float: Float,
    /// Upper halves of `ymm0` to `ymm15`; `None` where the machine has none.
    upper: Option<[u8; UPPER_END - UPPER]>,
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            // SAFETY: plain integers, for which zeroes are valid.
            general: unsafe { std::mem::zeroed() },
            float: Float::default(),
            upper: None,
        }
    }
}

impl Registers {
    /// Those of a stopped thread.
    pub(crate) fn read(tid: Pid) -> io::Result<Self> {
        let upper = extended(tid)?.map(|state| {
            let mut upper = [0; UPPER_END - UPPER];
            // A part that is not in use is zero, whatever the bytes say.
            if part(&state, IN_USE) & AVX != 0 {
                upper.copy_from_slice(&state[UPPER..UPPER_END]);
            }
            upper
        });
        Ok(Self {
            general: ptrace::getregs(tid)?,
            float: Float(ptrace::getregset::<ptrace::regset::NT_PRFPREG>(tid)?),
            upper,
        })
    }

    /// Gives them to a stopped thread.
    pub(crate) fn write(&self, tid: Pid) -> io::Result<()> {
        ptrace::setregset::<ptrace::regset::NT_PRFPREG>(tid, self.float.0)?;
        if let (Some(upper), Some(mut state)) = (&self.upper, extended(tid)?) {
            state[UPPER..UPPER_END].copy_from_slice(upper);
            let in_use = part(&state, IN_USE) | PARTS;
            state[IN_USE..IN_USE + 8].copy_from_slice(&in_use.to_le_bytes());
            regset(libc::PTRACE_SETREGSET, tid, &mut state)?;
        }
        Ok(ptrace::setregs(tid, self.general)?)
    }
}

/// Floating-point and vector registers, all that the processor has.
pub(crate) struct ExtendedState(Vec<u8>);

impl ExtendedState {
    /// Those of a stopped thread.
    pub(crate) fn read(tid: Pid) -> io::Result<Self> {
        let mut state = vec![0; MOST];
        let length = regset(libc::PTRACE_GETREGSET, tid, &mut state)?;
        state.truncate(length);
        Ok(Self(state))
    }

    /// Gives them to a stopped thread.
    pub(crate) fn write(&self, tid: Pid) -> io::Result<()> {
        regset(libc::PTRACE_SETREGSET, tid, &mut self.0.clone()).map(drop)
    }
}

/// Whether a thread has AVX registers.
pub(super) fn has_avx(tid: Pid) -> bool {
    matches!(extended(tid), Ok(Some(_)))
}

/// The extended state; `None` where there is no AVX in it.
fn extended(tid: Pid) -> io::Result<Option<Vec<u8>>> {
    let mut state = vec![0; MOST];
    let length = match regset(libc::PTRACE_GETREGSET, tid, &mut state) {
        Ok(length) => length,
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Err(error),
        Err(_) => return Ok(None),
    };
    state.truncate(length);
    let has_avx = length >= UPPER_END && part(&state, AVAILABLE) & AVX != 0;
    Ok(has_avx.then_some(state))
}

fn part(state: &[u8], at: usize) -> u64 {
    let bytes = state[at..at + 8].try_into();
    bytes.map_or(0, u64::from_le_bytes)
}

fn regset(request: libc::c_uint, tid: Pid, state: &mut [u8]) -> io::Result<usize> {
    let mut area = libc::iovec {
        iov_base: state.as_mut_ptr().cast(),
        iov_len: state.len(),
    };
    // SAFETY: the kernel reads or writes at most iov_len bytes of the slice.
    let done = unsafe { libc::ptrace(request, tid.as_raw(), NT_X86_XSTATE, &raw mut area) };
    match done {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(area.iov_len),
    }
}

/// References to the general registers in GDB's order: 64 bits, 32 bits, and those at the end.
macro_rules! general {
    ($regs:expr) => {{
        let regs = $regs;
        (
            [
                &mut regs.rax,
                &mut regs.rbx,
                &mut regs.rcx,
                &mut regs.rdx,
                &mut regs.rsi,
                &mut regs.rdi,
                &mut regs.rbp,
                &mut regs.rsp,
                &mut regs.r8,
                &mut regs.r9,
                &mut regs.r10,
                &mut regs.r11,
                &mut regs.r12,
                &mut regs.r13,
                &mut regs.r14,
                &mut regs.r15,
                &mut regs.rip,
            ],
            [
                &mut regs.eflags,
                &mut regs.cs,
                &mut regs.ss,
                &mut regs.ds,
                &mut regs.es,
                &mut regs.fs,
                &mut regs.gs,
            ],
            [&mut regs.orig_rax, &mut regs.fs_base, &mut regs.gs_base],
        )
    }};
}

impl arch::Registers for Registers {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.general.rip
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        let mut write = |bytes: &[u8]| bytes.iter().for_each(|byte| write_byte(Some(*byte)));
        let mut general = self.general;
        let (wide, narrow, last) = general!(&mut general);
        wide.into_iter().for_each(|one| write(&one.to_le_bytes()));
        narrow
            .into_iter()
            .for_each(|one| write(&(*one as u32).to_le_bytes()));
        write(&self.float.stack());
        for word in self.float.control() {
            write(&word.to_le_bytes());
        }
        for word in &self.float.0.xmm_space {
            write(&word.to_le_bytes());
        }
        write(&self.float.0.mxcsr.to_le_bytes());
        last.into_iter().for_each(|one| write(&one.to_le_bytes()));
        if let Some(upper) = &self.upper {
            write(upper);
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let mut rest = Rest(bytes);
        let mut next = self.clone();
        let (wide, narrow, last) = general!(&mut next.general);
        for register in wide {
            *register = rest.u64()?;
        }
        for register in narrow {
            *register = u64::from(rest.u32()?);
        }
        next.float.set_stack(rest.take()?);
        let mut control = [0; 8];
        for word in &mut control {
            *word = rest.u32()?;
        }
        next.float.set_control(control);
        for word in &mut next.float.0.xmm_space {
            *word = rest.u32()?;
        }
        next.float.0.mxcsr = rest.u32()?;
        for register in last {
            *register = rest.u64()?;
        }
        next.upper = match rest.0 {
            [] => None,
            _ => Some(*rest.take()?),
        };
        *self = next;
        Ok(())
    }
}

/// Bytes that are still to be understood.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<&[u8; N], ()> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(())?;
        self.0 = rest;
        Ok(taken)
    }

    fn u64(&mut self) -> Result<u64, ()> {
        self.take().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> Result<u32, ()> {
        self.take().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gdbstub::arch::Registers as _;

    #[test]
    fn what_gdb_reads_it_may_write_back() {
        let mut registers = Registers {
            upper: Some([7; 256]),
            ..Registers::default()
        };
        registers.general.rip = 0x1234_5678_9abc_def0;
        registers.general.gs_base = 5;
        // One is on the stack: physical register 7.
        registers.float.0.ftw = 0b1000_0000;
        registers.float.0.swd = 7 << 11;
        registers.float.0.st_space[1] = 1 << 31;
        registers.float.0.st_space[2] = 0x3fff;
        registers.float.0.xmm_space[63] = 9;
        let mut bytes = Vec::new();
        registers.gdb_serialize(|byte| bytes.extend(byte));
        assert_eq!(
            bytes.len(),
            17 * 8 + 7 * 4 + 80 + 32 + 256 + 4 + 3 * 8 + 256
        );
        let tags = 17 * 8 + 7 * 4 + 80 + 8;
        assert_eq!(bytes[tags..][..2], [0xff, 0x3f]);
        let mut again = Registers::default();
        again.gdb_deserialize(&bytes).unwrap();
        assert_eq!(again, registers);
        assert!(again.gdb_deserialize(&bytes[1..]).is_err());
    }
}
