//! The guest's clocks.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// Moves the clock by so many nanoseconds; the time after it, in nanoseconds since the Unix epoch.
pub(crate) fn step(step_ns: i64) -> nix::Result<u64> {
    let mut now = Duration::from(clock_gettime(ClockId::CLOCK_REALTIME)?);
    if step_ns != 0 {
        let step = Duration::from_nanos(step_ns.unsigned_abs());
        now = match step_ns < 0 {
            true => now.saturating_sub(step),
            false => now.saturating_add(step),
        };
        clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(now))?;
        tracing::info!("the clock is moved by {} ms", step_ns / 1_000_000);
    }
    Ok(now.as_nanos() as u64)
}

/// Brings the clock up to `unix_ns`, a time that has passed: how long ago, nobody knows (the daemon may have
/// written it while the guest was still booting), so a clock that is ahead is left alone.
pub(crate) fn advance_to(unix_ns: u64) -> nix::Result<()> {
    let ahead = Duration::from_nanos(unix_ns);
    if Duration::from(clock_gettime(ClockId::CLOCK_REALTIME)?) < ahead {
        clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(ahead))?;
    }
    Ok(())
}

/// Time since the guest's boot, sleep included.
pub(crate) fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}
