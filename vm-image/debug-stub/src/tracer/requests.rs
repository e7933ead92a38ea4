//! Requests of ptrace and wait that need signals beyond those with a name, or which nix has not.

use std::io;
use std::ptr;

use nix::libc::{self, c_int, c_void};
use nix::unistd::Pid;

/// How a stopped thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    Continue,
    Step,
    /// Stays stopped by the signal that stopped the process, until another one.
    Listen,
    Detach,
}

/// Lets a thread go on with a signal, or 0; whether it was there.
pub(crate) fn go(tid: Pid, go: Go, signal: i32) -> bool {
    let request = match go {
        Go::Continue => libc::PTRACE_CONT,
        Go::Step => libc::PTRACE_SINGLESTEP,
        Go::Listen => libc::PTRACE_LISTEN,
        Go::Detach => libc::PTRACE_DETACH,
    };
    let none = ptr::null_mut::<c_void>();
    // SAFETY: none of these requests reads or writes memory of this process.
    unsafe { libc::ptrace(request, tid.as_raw(), none, signal as usize) != -1 }
}

/// The next status of any child or traced thread, if there is one by now.
pub(super) fn next_status() -> Option<(Pid, c_int)> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a place of ours.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::WNOHANG) };
        match tid {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            tid if tid > 0 => return Some((Pid::from_raw(tid), status)),
            _ => return None,
        }
    }
}

/// Waits for the stop of one child or traced thread; `None` when it has ended instead.
pub(crate) fn stop_of(tid: Pid) -> Option<c_int> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a place of ours.
        let done = unsafe { libc::waitpid(tid.as_raw(), &raw mut status, libc::__WALL) };
        match done {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return None,
            _ => return libc::WIFSTOPPED(status).then_some(status),
        }
    }
}

/// Whether a stopped thread has a trap that the kernel will tell of next: it reports an interruption
/// first, with the program counter already behind the breakpoint.
pub(super) fn has_pending_trap(tid: Pid) -> bool {
    const MOST: usize = 8;
    let arguments = libc::ptrace_peeksiginfo_args {
        off: 0,
        flags: 0,
        nr: MOST as i32,
    };
    // SAFETY: plain data, for which zeroes are valid.
    let mut signals: [libc::siginfo_t; MOST] = unsafe { std::mem::zeroed() };
    // SAFETY: the arguments are read, and at most MOST entries written.
    let count = unsafe {
        libc::ptrace(
            libc::PTRACE_PEEKSIGINFO,
            tid.as_raw(),
            &raw const arguments,
            signals.as_mut_ptr(),
        )
    };
    let count = usize::try_from(count).unwrap_or(0).min(MOST);
    let trapped = |signal: &libc::siginfo_t| signal.si_signo == libc::SIGTRAP && signal.si_code > 0;
    signals[..count].iter().any(trapped)
}
