//! The border's decoder for the fuzz targets in `tests/fuzz`; nothing else calls it.

use http::Method;

use crate::MountPolicy;
use crate::mounts::{Route, Verdict, check_with};
use crate::{ports, swarm};

/// Gives the ports of a container that name no address one; the body that would be sent instead.
pub fn placed(body: &[u8]) -> Option<Vec<u8>> {
    ports::fill(body, [127, 0, 0, 1].into(), &["80/tcp".into()])
}

/// Judges the body of a `POST` as if this host had no links; gives the body that would be sent
/// instead.
pub fn checked(path: &str, body: &[u8], policy: &MountPolicy) -> Option<Vec<u8>> {
    let route = Route::of(&Method::POST, path)?;
    let verdict = match route {
        Route::SwarmInit => swarm::choose_expiry(body),
        route => check_with(route, body, policy, &|_| None),
    };
    match verdict {
        Verdict::Rewrite(changed) => Some(changed),
        Verdict::Pass | Verdict::Refuse(_) => None,
    }
}
