use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long something may take before it counts as hanging. It is a watchdog, not a bound to
/// measure by: an emulated VM on a busy machine stays well below it.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Tries until it succeeds; after [`PATIENCE`] fails with the last reason.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if start.elapsed() > PATIENCE => {
                bail!("{what} did not come about within {PATIENCE:?}: {error:#}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
