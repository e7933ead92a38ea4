//! The guest's clocks.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// A clock that is off by less is left alone: the host's time is not known better than that.
const TOLERATED: Duration = Duration::from_millis(10);

/// Sets the clock to `unix_ns` if it is off by more than the tolerance.
pub(crate) fn set(unix_ns: u64) -> nix::Result<()> {
    let wanted = Duration::from_nanos(unix_ns);
    let now = Duration::from(clock_gettime(ClockId::CLOCK_REALTIME)?);
    if now.abs_diff(wanted) <= TOLERATED {
        return Ok(());
    }
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(wanted))?;
    tracing::info!("the clock was off by {:?} and is set", now.abs_diff(wanted));
    Ok(())
}

/// Brings the clock up to `unix_ns`, a time that has passed: how long ago, nobody knows (the daemon may have
/// written it while the guest was still booting), so a clock that is ahead is left alone.
pub(crate) fn advance_to(unix_ns: u64) -> nix::Result<()> {
    if Duration::from(clock_gettime(ClockId::CLOCK_REALTIME)?) < Duration::from_nanos(unix_ns) {
        set(unix_ns)?;
    }
    Ok(())
}

/// Time since the guest's boot, sleep included.
pub(crate) fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}
