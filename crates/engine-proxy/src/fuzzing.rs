//! The border's decoder for the fuzz targets in `tests/fuzz`; nothing else calls it.

use http::Method;

use crate::MountPolicy;
use crate::mounts::{Route, Verdict, check_with};

/// Judges the body of a `POST`, without a look at this host's links; gives the body that would be
/// sent instead.
pub fn mounts(path: &str, body: &[u8], policy: &MountPolicy) -> Option<Vec<u8>> {
    let route = Route::of(&Method::POST, path)?;
    match check_with(route, body, policy, &|_| None) {
        Verdict::Rewrite(changed) => Some(changed),
        Verdict::Pass | Verdict::Refuse(_) => None,
    }
}
