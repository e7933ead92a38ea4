//! The host's clock, as the guest is told it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::Opener;
use tokio::time::{Instant, sleep};

/// A clock that may be wrong on purpose: nobody waits a hundred days to see what a guest does then.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostClock {
    /// Added to the host's time, in seconds.
    pub offset_s: i64,
}

/// As good as the time can be told: half of what the message took is not known.
const GOOD: Duration = Duration::from_millis(20);

/// How often it is tried to be that good.
const ATTEMPTS: u32 = 20;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

impl HostClock {
    /// From `CORACLE_CLOCK_OFFSET_S`, else the true time.
    pub(crate) fn from_environment() -> Self {
        let set = std::env::var("CORACLE_CLOCK_OFFSET_S").ok();
        Self {
            offset_s: set.and_then(|text| text.parse().ok()).unwrap_or_default(),
        }
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn unix_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.unwrap_or_default();
        let offset = Duration::from_secs(self.offset_s.unsigned_abs());
        let shifted = match self.offset_s < 0 {
            true => seconds.saturating_sub(offset),
            false => seconds + offset,
        };
        shifted.as_nanos() as u64
    }

    /// Sets the guest's clock: forwards or backwards, whatever it takes. A guest that has just come back
    /// answers slowly at first, so it is told the time until it has answered quickly.
    pub(crate) async fn set(self, opener: Opener) {
        let mut quickest = Duration::MAX;
        for _ in 0..ATTEMPTS {
            let sent = Instant::now();
            let way = match quickest {
                Duration::MAX => Duration::ZERO,
                known => known / 2,
            };
            let unix_ns = self.unix_ns() + way.as_nanos() as u64;
            let header = StreamHeader::SetTime { unix_ns };
            if let Err(error) = opener.open(&header).await {
                return tracing::warn!(%error, "the guest's clock was not set");
            }
            let took = sent.elapsed();
            quickest = quickest.min(took);
            if took < GOOD {
                return;
            }
            sleep(PAUSE).await;
        }
        tracing::warn!(
            ?quickest,
            "the guest's clock was set with doubt: it answers slowly"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_goes_both_ways() {
        let at = |offset_s| HostClock { offset_s }.unix_ns() / 1_000_000_000;
        let now = at(0);
        for offset in [3600, -3600, 8_640_000] {
            let shifted = at(offset) as i64 - offset;
            assert!((now as i64..now as i64 + 60).contains(&shifted));
        }
        assert_eq!(at(i64::MIN), 0);
    }
}
