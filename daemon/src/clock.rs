//! The host's clock, as the guest is told it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::{MuxStream, Opener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// A clock that may be wrong on purpose: nobody waits a hundred days to see what a guest does then.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostClock {
    /// Added to the host's time, in seconds.
    pub offset_s: i64,
}

/// As good as the time can be told: half of what question and answer take is not known.
const GOOD: Duration = Duration::from_millis(5);

/// How often it is tried to be that good.
const ATTEMPTS: u32 = 30;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(40);

/// A guest's clock that is off by less is left alone: a step does more harm.
const TOLERATED: Duration = Duration::from_millis(5);

/// How often it is seen whether the host's clock was set, or the host slept.
const LOOK: Duration = Duration::from_secs(5);

/// How often the guest's clock, which runs by itself, is compared.
const COMPARE: Duration = Duration::from_secs(600);

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

    /// Keeps the guest's clock right for as long as the transport lasts. `behind` says that it
    /// has stood still.
    pub(crate) async fn keep(self, opener: Opener, behind: Arc<Notify>) {
        loop {
            let error = match opener.open(&StreamHeader::Clock).await {
                Ok((stream, _)) => self.keep_on(stream, &behind).await.err(),
                Err(error) => Some(std::io::Error::other(error)),
            };
            tracing::warn!(?error, "the guest's clock is not kept");
            sleep(LOOK).await;
        }
    }

    async fn keep_on(self, mut stream: MuxStream, behind: &Notify) -> std::io::Result<()> {
        loop {
            self.set(&mut stream).await?;
            let set = Instant::now();
            let ahead = self.ahead_of(set);
            while set.elapsed() < COMPARE {
                if timeout(LOOK, behind.notified()).await.is_ok()
                    || self.ahead_of(set).abs_diff(ahead) > 2 * TOLERATED.as_nanos()
                {
                    break;
                }
            }
        }
    }

    /// How far this clock is ahead of one that nobody sets and that began at `began`, in nanoseconds.
    fn ahead_of(&self, began: Instant) -> i128 {
        i128::from(self.unix_ns()) - began.elapsed().as_nanos() as i128
    }

    /// Moves the guest's clock by what it is off: forwards or backwards, whatever it takes. A guest that has
    /// just come back answers slowly at first, so the quickest answer counts.
    async fn set(self, stream: &mut MuxStream) -> std::io::Result<()> {
        let mut quickest = Duration::MAX;
        let mut step_ns = 0;
        for _ in 0..ATTEMPTS {
            let (sent, asked) = (Instant::now(), self.unix_ns());
            stream.write_i64(step_ns).await?;
            stream.flush().await?;
            let told = stream.read_u64().await?;
            let took = sent.elapsed();
            step_ns = 0;
            if took < quickest {
                quickest = took;
                step_ns = step(asked, told, took);
            }
            if took < GOOD && step_ns == 0 {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        if step_ns != 0 {
            stream.write_i64(step_ns).await?;
            stream.flush().await?;
            stream.read_u64().await?;
        }
        tracing::info!(?quickest, "the guest's clock is set; it answers slowly");
        Ok(())
    }
}

/// What the guest's clock, which told its time within `took` from `asked`, must be moved by; 0 when it may be right.
fn step(asked: u64, told: u64, took: Duration) -> i64 {
    let half = took.as_nanos() as i64 / 2;
    let off = (asked as i64)
        .saturating_add(half)
        .saturating_sub(told as i64);
    match off.unsigned_abs() > half.unsigned_abs() + TOLERATED.as_nanos() as u64 {
        true => off,
        false => 0,
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

    #[test]
    fn a_clock_is_moved_by_what_it_is_certainly_off() {
        let ms = |count: u64| count * 1_000_000;
        let moved = |told, took| step(ms(1000), told, Duration::from_millis(took)) / 1_000_000;
        assert_eq!(moved(ms(1002), 4), 0);
        assert_eq!(moved(ms(500), 4), 502);
        assert_eq!(moved(ms(1500), 4), -498);
        // It may have been told at any time of the second that it took.
        assert_eq!(moved(ms(1990), 1000), 0);
        assert_eq!(moved(ms(900), 1000), 600);
        assert_eq!(step(0, u64::MAX, Duration::ZERO), 0);
    }
}
