//! How long each part of an edit's way took.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use coracle_daemon_api::WatchStage;

/// A time of modification before that is of another edit.
const JUST_NOW: Duration = Duration::from_secs(5);

/// From the file's time of modification until its edit was seen.
pub(super) fn seen_after(path: &Path, seen: Instant) -> Option<f64> {
    let modified = std::fs::symlink_metadata(path).ok()?.modified().ok()?;
    let since = SystemTime::now().duration_since(modified).ok()?;
    // The kernel's clock of files ticks a few times in a hundredth of a second.
    let after = since.saturating_sub(seen.elapsed());
    (after < JUST_NOW).then(|| ms(after))
}

/// The longest of the stages, of which each begins where the one before it ended. An answer can be there
/// before the reload has been told.
pub(super) fn slowest(
    delivered: Duration,
    reloaded: Duration,
    answered: Duration,
) -> (WatchStage, Duration) {
    let delivered = delivered.min(answered);
    let reloaded = reloaded.clamp(delivered, answered);
    let stages = [
        (WatchStage::Delivery, delivered),
        (WatchStage::Reload, reloaded - delivered),
        (WatchStage::Program, answered - reloaded),
    ];
    let longest = stages.into_iter().max_by_key(|(_, took)| *took);
    longest.expect("there are three")
}

/// Milliseconds, to a tenth.
pub(super) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_stage_is_named() {
        let ms = Duration::from_millis;
        for (times, stage, took) in [
            ([5, 5, 7], WatchStage::Delivery, 5),
            ([5, 300, 400], WatchStage::Reload, 295),
            ([5, 5, 400], WatchStage::Program, 395),
            ([5, 300, 200], WatchStage::Reload, 195),
            ([5, 300, 3], WatchStage::Delivery, 3),
        ] {
            let [delivered, reloaded, answered] = times.map(ms);
            assert_eq!(slowest(delivered, reloaded, answered), (stage, ms(took)));
        }
    }
}
