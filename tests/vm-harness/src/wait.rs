use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long something may take before it counts as hanging: five minutes, or
/// `CORACLE_TEST_PATIENCE` in seconds. It is a watchdog, not a bound to measure by: an
/// emulated VM on a busy machine stays well below it.
pub fn patience() -> Duration {
    let set = std::env::var("CORACLE_TEST_PATIENCE");
    Duration::from_secs(set.ok().and_then(|text| text.parse().ok()).unwrap_or(300))
}

/// Tries until it succeeds; after [`patience`] fails with the last reason.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if start.elapsed() > patience() => {
                bail!(
                    "{what} did not come about within {:?}: {error:#}",
                    patience()
                )
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
