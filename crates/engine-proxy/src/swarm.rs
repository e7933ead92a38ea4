//! How long a new swarm's certificates live.
//!
//! The engine renews them by a timer, which stands still while the VM sleeps or is off; one
//! that wakes up after their end has lost its swarm (moby#42660). A laptop does not keep a
//! date within 90 days, so who does not choose gets ten years
//! (`docs/adr/0005-swarm.md`).

mod renewal;

use serde_json::value::RawValue;

pub(crate) use renewal::{RenewAfter, renew};

use crate::mounts::Verdict;
use crate::mounts::json::{self, Patches};

/// Ten years; the certificate above them lives for twenty.
const LIFE_NS: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// What docker's CLI sends when nobody chose: 90 days.
const CLI_DEFAULT_NS: u64 = 90 * 24 * 3600 * 1_000_000_000;

/// Where the expiry is in the body of `POST /swarm/init`.
const PATH: [&str; 3] = ["Spec", "CAConfig", "NodeCertExpiry"];

/// Completes the body of `POST /swarm/init`; every other byte stays the client's.
pub(crate) fn choose_expiry(body: &[u8]) -> Verdict {
    let Some((text, root)) = json::parse(body) else {
        return Verdict::Pass;
    };
    let mut patches = Patches::new(text);
    let mut place = root;
    for (depth, name) in PATH.iter().enumerate() {
        if !place.get().starts_with('{') {
            return Verdict::Pass;
        }
        let found = json::fields(place, name).pop();
        let Some(value) = found.filter(|value| value.get() != "null") else {
            let new = nested(&PATH[depth + 1..]);
            match found {
                Some(null) => patches.replace_json(null, new),
                None => patches.add_field(place, name, &new),
            }
            return finish(patches);
        };
        place = value;
    }
    if is_chosen(place) {
        return Verdict::Pass;
    }
    patches.replace_json(place, LIFE_NS.to_string());
    finish(patches)
}

fn is_chosen(expiry: &RawValue) -> bool {
    !matches!(serde_json::from_str(expiry.get()), Ok(0 | CLI_DEFAULT_NS))
}

/// The expiry inside objects of these names.
fn nested(names: &[&str]) -> String {
    match names {
        [] => LIFE_NS.to_string(),
        [name, rest @ ..] => format!("{{{name:?}:{}}}", nested(rest)),
    }
}

fn finish(patches: Patches<'_>) -> Verdict {
    match patches.apply() {
        Some(changed) => Verdict::Rewrite(changed),
        None => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(body: &str) -> Option<String> {
        match choose_expiry(body.as_bytes()) {
            Verdict::Rewrite(body) => Some(String::from_utf8(body).unwrap()),
            Verdict::Pass => None,
            Verdict::Refuse(why) => panic!("{why}"),
        }
    }

    #[test]
    fn who_does_not_choose_gets_years() {
        for (body, expected) in [
            (
                r##"{"Spec":{"CAConfig":{"NodeCertExpiry":7776000000000000,"X":1}}}"##,
                r##"{"Spec":{"CAConfig":{"NodeCertExpiry":#,"X":1}}}"##,
            ),
            (
                r##"{"Spec":{"CAConfig":{"nodecertexpiry": 0 }}}"##,
                r##"{"Spec":{"CAConfig":{"nodecertexpiry": # }}}"##,
            ),
            (
                r##"{"Spec":{"CAConfig":{ }}}"##,
                r##"{"Spec":{"CAConfig":{"NodeCertExpiry":# }}}"##,
            ),
            (
                r##"{"Spec":{"CAConfig":null,"Raft":{}}}"##,
                r##"{"Spec":{"CAConfig":{"NodeCertExpiry":#},"Raft":{}}}"##,
            ),
            (
                r##"{"ListenAddr":"eth0"}"##,
                r##"{"Spec":{"CAConfig":{"NodeCertExpiry":#}},"ListenAddr":"eth0"}"##,
            ),
            ("{}", r##"{"Spec":{"CAConfig":{"NodeCertExpiry":#}}}"##),
        ] {
            let expected = expected.replace('#', "315360000000000000");
            assert_eq!(changed(body), Some(expected), "{body}");
        }
    }

    #[test]
    fn a_choice_is_kept() {
        for body in [
            r##"{"Spec":{"CAConfig":{"NodeCertExpiry":3600000000000}}}"##,
            r##"{"Spec":{"CAConfig":{"NodeCertExpiry":"soon"}}}"##,
            r##"{"Spec":7}"##,
            "null",
            "no JSON",
        ] {
            assert_eq!(changed(body), None, "{body}");
        }
    }
}
