//! Where a run's time goes.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Mutex;
use std::time::Duration;

/// How many tests the summary names.
const SLOWEST: usize = 25;

/// How long each test took; shown, the suites' sums and the slowest tests.
#[derive(Default)]
pub(crate) struct Times(Mutex<Vec<(String, Duration)>>);

impl Times {
    /// The first test of a run boots the VM: that is its time, too.
    pub(crate) fn note(&self, test: String, took: Duration) {
        let mut all = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        all.push((test, took));
    }
}

impl Display for Times {
    fn fmt(&self, to: &mut Formatter) -> fmt::Result {
        let mut all = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        all.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        let mut suites: BTreeMap<&str, Duration> = BTreeMap::new();
        for (test, took) in all.iter() {
            let suite = test.split("::").next().unwrap_or(test);
            *suites.entry(suite).or_default() += *took;
        }
        let mut suites: Vec<_> = suites.into_iter().collect();
        suites.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        write!(to, "seconds in all:")?;
        for (suite, took) in suites {
            write!(to, " {suite} {:.0}", took.as_secs_f64())?;
        }
        for (test, took) in all.iter().take(SLOWEST) {
            write!(to, "\n{:7.1} s {test}", took.as_secs_f64())?;
        }
        Ok(())
    }
}
