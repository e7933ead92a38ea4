//! Why a VM ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use coracle_vm_driver::ExitReason;

use crate::qmp::Shutdown;

/// From the strongest evidence to the weakest: what the guest did, what was asked
/// of us, what QEMU left behind.
pub(super) fn reason(
    announced: Option<Shutdown>,
    killed: bool,
    status: ExitStatus,
    last_words: &str,
) -> ExitReason {
    match announced {
        Some(Shutdown::PoweredOff) => return ExitReason::GuestPoweredOff,
        Some(Shutdown::Crashed) => return ExitReason::GuestCrashed,
        Some(Shutdown::Host) | None => {}
    }
    if killed {
        return ExitReason::Killed;
    }
    let how = match (status.code(), status.signal()) {
        (_, Some(signal)) => format!("QEMU ended by signal {signal}"),
        (Some(code), None) => format!("QEMU ended with code {code}"),
        (None, None) => "QEMU ended".into(),
    };
    ExitReason::Failed(match last_words {
        "" => how,
        words => format!("{how}: {words}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_did_counts_first() {
        let ended = ExitStatus::from_raw(0);
        let sigkill = ExitStatus::from_raw(9);
        let off = Some(Shutdown::PoweredOff);
        assert_eq!(reason(off, true, sigkill, ""), ExitReason::GuestPoweredOff);
        let crashed = Some(Shutdown::Crashed);
        assert_eq!(reason(crashed, false, ended, ""), ExitReason::GuestCrashed);
        assert_eq!(reason(None, true, sigkill, "x"), ExitReason::Killed);
    }

    #[test]
    fn a_failure_has_its_last_words() {
        let failed = |raw, words| match reason(None, false, ExitStatus::from_raw(raw), words) {
            ExitReason::Failed(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(9, ""), "QEMU ended by signal 9");
        assert_eq!(failed(1 << 8, "no disk"), "QEMU ended with code 1: no disk");
    }
}
