//! One thread of a running process, used for a call and given back as it was.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::libc::{self, c_long, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use super::call::Call;
use crate::arch::ExtendedState;
use crate::error::AttachError;
use crate::memory::Memory;
use crate::proc;
use crate::tracer::requests::{self, Go};

/// System calls in which a thread of Python waits without the interpreter's lock, and without one of
/// the C library's.
const WAITS: [c_long; 19] = [
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_wait,
    libc::SYS_nanosleep,
    libc::SYS_pause,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_select,
    libc::SYS_wait4,
    libc::SYS_waitid,
];

/// `syscall`.
const SYSTEM_CALL: [u8; 2] = [0x0f, 0x05];

/// What the x86-64 ABI lets a function use below its stack pointer.
const RED_ZONE: u64 = 128;

/// How far the code's text may go, in bytes.
const PAGES: u64 = 64 << 10;

/// Where a thread may be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// In one of those calls.
    Waiting,
    Anywhere,
}

/// Whether a thread waits now in one of those calls; it may have left it when it is stopped.
pub(super) fn seems_idle(tid: Pid) -> bool {
    let text = fs::read_to_string(proc::path(tid, "syscall")).unwrap_or_default();
    let number = text
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    number.is_some_and(|number: c_long| WAITS.contains(&number))
}

/// A thread that is stopped.
pub(super) struct Takeover {
    tid: Pid,
    memory: Memory,
    general: user_regs_struct,
    extended: ExtendedState,
    /// Where there is an instruction that makes a system call.
    system_call: u64,
}

impl Takeover {
    /// Stops the thread; `None` when it is not at such a point, and goes on.
    pub(super) fn of(pid: Pid, tid: Pid, point: Point) -> Result<Option<Self>, AttachError> {
        let refused = |error: Errno| AttachError::of(pid, error.into());
        match ptrace::seize(tid, Options::empty()) {
            Err(Errno::ESRCH) => return Ok(None),
            seized => seized.map_err(refused)?,
        }
        ptrace::interrupt(tid).map_err(refused)?;
        let signal = match requests::stop_of(tid) {
            Some(status) if status >> 16 == libc::PTRACE_EVENT_STOP => 0,
            // A signal came first.
            Some(status) => libc::WSTOPSIG(status),
            None => return Err(AttachError::Gone(pid)),
        };
        let taken = match signal {
            0 => Self::read(pid, tid, point).map_err(|error| AttachError::of(pid, error))?,
            _ => None,
        };
        if taken.is_none() {
            requests::go(tid, Go::Detach, signal);
        }
        Ok(taken)
    }

    fn read(pid: Pid, tid: Pid, point: Point) -> io::Result<Option<Self>> {
        let memory = Memory::open(pid)?;
        let general = ptrace::getregs(tid)?;
        let waits = WAITS.contains(&general.orig_rax.cast_signed());
        let system_call = match point {
            Point::Waiting if !waits => return Ok(None),
            Point::Waiting => Some(general.rip.wrapping_sub(SYSTEM_CALL.len() as u64)),
            Point::Anywhere => find_system_call(pid, &memory)?,
        };
        let mut found = [0; SYSTEM_CALL.len()];
        let Some(system_call) = system_call else {
            return Ok(None);
        };
        if memory.read(system_call, &mut found)? != found.len() || found != SYSTEM_CALL {
            return Ok(None);
        }
        Ok(Some(Self {
            extended: ExtendedState::read(tid)?,
            tid,
            memory,
            general,
            system_call,
        }))
    }

    /// Has the thread make the call, and lets it go on as it was, whatever happens.
    pub(super) fn run(self, call: &Call, text: &std::ffi::CStr) -> io::Result<()> {
        let called = self.call(call, text);
        let restored = self
            .extended
            .write(self.tid)
            .and_then(|()| Ok(ptrace::setregs(self.tid, self.general)?));
        requests::go(self.tid, Go::Detach, 0);
        called.and(restored)
    }

    fn call(&self, call: &Call, text: &std::ffi::CStr) -> io::Result<()> {
        let text = text.to_bytes_with_nul();
        if text.len() as u64 > PAGES / 2 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = self.system_call(
            libc::SYS_mmap,
            [0, PAGES, protection as u64, flags as u64, u64::MAX, 0],
        )?;
        let place = page + PAGES / 2;
        let instructions = call.instructions(place);
        let written = self
            .memory
            .write(page, &instructions)
            .and_then(|()| self.memory.write(place, text));
        let called = written.and_then(|()| self.run_at(page, instructions.len() as u64));
        if !call.keeps_text() || called.is_err() {
            self.system_call(libc::SYS_munmap, [page, PAGES, 0, 0, 0, 0])?;
        }
        called
    }

    /// Runs instructions up to the breakpoint at their end.
    fn run_at(&self, start: u64, length: u64) -> io::Result<()> {
        let mut registers = self.registers();
        registers.rip = start;
        ptrace::setregs(self.tid, registers)?;
        let mut signal = 0;
        loop {
            requests::go(self.tid, Go::Continue, signal);
            let status = requests::stop_of(self.tid).ok_or(io::ErrorKind::UnexpectedEof)?;
            signal = match status >> 16 {
                0 => libc::WSTOPSIG(status),
                _ => 0,
            };
            let at = ptrace::getregs(self.tid)?.rip;
            if signal == libc::SIGTRAP && at == start + length {
                return Ok(());
            }
            let inside = (start..start + length).contains(&at);
            if inside && matches!(signal, libc::SIGSEGV | libc::SIGILL | libc::SIGBUS) {
                return Err(io::Error::other("its C API is not where it should be"));
            }
        }
    }

    fn system_call(&self, number: c_long, arguments: [u64; 6]) -> io::Result<u64> {
        let mut registers = self.registers();
        registers.rip = self.system_call;
        registers.rax = number.cast_unsigned();
        [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ] = arguments;
        ptrace::setregs(self.tid, registers)?;
        let behind = self.system_call + SYSTEM_CALL.len() as u64;
        loop {
            requests::go(self.tid, Go::Step, 0);
            let status = requests::stop_of(self.tid).ok_or(io::ErrorKind::UnexpectedEof)?;
            let registers = ptrace::getregs(self.tid)?;
            if status >> 16 == 0
                && libc::WSTOPSIG(status) == libc::SIGTRAP
                && registers.rip == behind
            {
                // The kernel's errors are the last 4095 numbers.
                return match registers.rax.cast_signed() {
                    error @ -4095..0 => Err(io::Error::from_raw_os_error(-error as i32)),
                    _ => Ok(registers.rax),
                };
            }
        }
    }

    /// Those to begin a call with: a stack that nobody uses, and no system call to be repeated.
    fn registers(&self) -> user_regs_struct {
        user_regs_struct {
            rsp: (self.general.rsp - RED_ZONE) & !0xf,
            orig_rax: u64::MAX,
            ..self.general
        }
    }
}

/// The kernel's own page in every process has the instruction.
fn find_system_call(pid: Pid, memory: &Memory) -> io::Result<Option<u64>> {
    let maps = fs::read_to_string(proc::path(pid, "maps"))?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"));
    let range = line.and_then(|line| line.split(' ').next()?.split_once('-'));
    let number = |text| u64::from_str_radix(text, 16).ok();
    let Some((Some(start), Some(end))) = range.map(|(start, end)| (number(start), number(end)))
    else {
        return Ok(None);
    };
    let mut page = vec![0; (end - start) as usize];
    memory.read(start, &mut page)?;
    let found = page.windows(2).position(|bytes| bytes == SYSTEM_CALL);
    Ok(found.map(|at| start + at as u64))
}
