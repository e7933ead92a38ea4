//! Signal numbers: GDB's protocol has its own, whatever the system.

use gdbstub::common::Signal;
use nix::libc;

/// Pairs of Linux' and GDB's numbers where they differ (GDB's `include/gdb/signals.def`).
const DIFFERENT: [(i32, u8); 16] = [
    (libc::SIGBUS, 10),
    (libc::SIGUSR1, 30),
    (libc::SIGUSR2, 31),
    (libc::SIGSTKFLT, 143),
    (libc::SIGCHLD, 20),
    (libc::SIGCONT, 19),
    (libc::SIGSTOP, 17),
    (libc::SIGTSTP, 18),
    (libc::SIGURG, 16),
    (libc::SIGIO, 23),
    (libc::SIGPWR, 32),
    (libc::SIGSYS, 12),
    (32, 77),
    (64, 78),
    // GDB has these two, Linux has not.
    (0, 7),
    (0, 29),
];

/// GDB's number of a signal of Linux.
pub(crate) fn to_gdb(signal: i32) -> Signal {
    let different = DIFFERENT.iter().find(|(linux, _)| *linux == signal);
    Signal(match (different, signal) {
        (Some((_, gdb)), _) => *gdb,
        (None, 33..=63) => (signal + 12) as u8,
        (None, _) => signal as u8,
    })
}

/// Linux' number of a signal of GDB; `None` where Linux has no such signal.
pub(crate) fn from_gdb(signal: Signal) -> Option<i32> {
    let number = signal.0;
    match DIFFERENT.iter().find(|(_, gdb)| *gdb == number) {
        Some((0, _)) => None,
        Some((linux, _)) => Some(*linux),
        None => match number {
            45..=75 => Some(i32::from(number) - 12),
            1..=28 => Some(i32::from(number)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_of_linux_survives_the_way() {
        for signal in 1..=64 {
            assert_eq!(from_gdb(to_gdb(signal)), Some(signal), "signal {signal}");
        }
        assert_eq!(to_gdb(libc::SIGUSR1), Signal::SIGUSR1);
        assert_eq!(to_gdb(libc::SIGSEGV), Signal::SIGSEGV);
        assert_eq!(to_gdb(libc::SIGCHLD), Signal::SIGCHLD);
        assert_eq!(to_gdb(34), Signal::SIG34);
    }
}
