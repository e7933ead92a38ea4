//! What clients send, and what a person writes.

use coracle_daemon_api::{
    ApiError, Hello, Progress, SettingChange, StartOptions, Status, StopOptions, WatchLine,
    WatchRequest,
};
use coracle_engine_proxy::MountPolicy;
use coracle_guest_api::exec::ExecRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bodies of the daemon's API, both ways.
pub fn daemon_api(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        stable::<ApiError>(line);
        stable::<ExecRequest>(line);
        stable::<Hello>(line);
        stable::<Progress>(line);
        stable::<StartOptions>(line);
        stable::<Status>(line);
        stable::<StopOptions>(line);
        stable::<Vec<SettingChange>>(line);
        stable::<WatchLine>(line);
        stable::<WatchRequest>(line);
    }
}

/// What was understood is understood the same when it is written again.
fn stable<T: Serialize + DeserializeOwned>(line: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(line) {
        let once = serde_json::to_value(&value).expect("plain data");
        let text = serde_json::to_vec(&value).expect("plain data");
        let again: T = serde_json::from_slice(&text).expect("its own text");
        let again = serde_json::to_value(&again).expect("plain data");
        assert_eq!(once, again);
    }
}

/// A path, a line feed, the body that is sent to it: as the engine's socket gets them.
pub fn mounts(data: &[u8]) {
    let policy = MountPolicy {
        shares: vec!["/home/me".into(), "/srv/code".into()],
        private: vec!["/home/me/.coracle".into()],
        engine_sockets: vec!["/home/me/.coracle/run/docker.sock".into()],
    };
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (Some(path), Some(body)) = (parts.next(), parts.next()) else {
        return;
    };
    let Ok(path) = std::str::from_utf8(path) else {
        return;
    };
    changed_once(body, |body| {
        coracle_engine_proxy::fuzzing::checked(path, body, &policy)
    });
    changed_once(body, coracle_engine_proxy::fuzzing::placed);
}

/// What is changed is JSON, and there is nothing to change in it again.
fn changed_once(body: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    if let Some(changed) = change(body) {
        assert!(std::str::from_utf8(&changed).is_ok());
        let mut values = serde_json::Deserializer::from_slice(&changed)
            .into_iter::<Box<serde_json::value::RawValue>>();
        assert!(values.next().is_some_and(|value| value.is_ok()));
        assert_eq!(change(&changed), None, "it is changed twice");
    }
}

/// The settings' file.
pub fn settings(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        coracled::fuzzing::settings(text);
    }
}
