//! QMP's messages, decoded. A line comes from another process: whatever it holds,
//! decoding it returns.

use serde::Deserialize;
use serde_json::Value;

/// One line from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// The first line.
    Greeting,
    /// The command of this number is done.
    Return { id: u64, value: Value },
    /// The command of this number was refused.
    Refused { id: u64, why: String },
    /// Something happened.
    Event(Event),
}

/// What happened; only what the driver acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// QEMU is about to end.
    Shutdown(Shutdown),
    /// The guest's CPUs do not run any more.
    Stop,
    /// They run again.
    Resume,
    /// A disk's file could not be read or written.
    DiskError { disk: String, host_full: bool },
    /// Any other.
    Other,
}

/// Why QEMU ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// The guest switched itself off.
    PoweredOff,
    /// The guest reset itself (with `-no-reboot` that ends QEMU) or its kernel stopped.
    Crashed,
    /// The host wanted it: a signal, or a command.
    Host,
}

/// Why a line could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("neither a greeting, an answer nor an event")]
    Unknown,
}

pub(crate) fn decode(line: &str) -> Result<Message, DecodeError> {
    let raw: Raw = serde_json::from_str(line)?;
    if raw.greeting.is_some() {
        return Ok(Message::Greeting);
    }
    if let Some(name) = raw.event {
        return Ok(Message::Event(event(&name, &raw.data)));
    }
    let id = raw.id.as_ref().and_then(Value::as_u64);
    match (id, raw.value, raw.error) {
        (Some(id), Some(value), None) => Ok(Message::Return { id, value }),
        (Some(id), None, Some(error)) => Ok(Message::Refused {
            id,
            why: error.desc,
        }),
        _ => Err(DecodeError::Unknown),
    }
}

fn event(name: &str, data: &Value) -> Event {
    match name {
        "SHUTDOWN" => Event::Shutdown(match data["reason"].as_str() {
            Some("guest-shutdown") => Shutdown::PoweredOff,
            Some("guest-reset" | "guest-panic" | "subsystem-reset") => Shutdown::Crashed,
            _ => Shutdown::Host,
        }),
        "STOP" => Event::Stop,
        "RESUME" => Event::Resume,
        "BLOCK_IO_ERROR" => Event::DiskError {
            disk: data["node-name"].as_str().unwrap_or("unknown").into(),
            host_full: data["nospace"].as_bool().unwrap_or(false),
        },
        _ => Event::Other,
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
    // `{"return": null}` is an answer too, so absent and null must differ.
    #[serde(rename = "return", default, deserialize_with = "present")]
    value: Option<Value>,
    error: Option<RawError>,
    id: Option<Value>,
}

#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    desc: String,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decodes_what_qemu_10_sends() {
        let greeting = r#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "Debian"}, "capabilities": ["oob"]}}"#;
        assert_eq!(decode(greeting).unwrap(), Message::Greeting);
        assert_eq!(
            decode(r#"{"return": {"status": "running"}, "id": 7}"#).unwrap(),
            Message::Return {
                id: 7,
                value: json!({"status": "running"})
            }
        );
        assert_eq!(
            decode(r#"{"id": 1, "error": {"class": "GenericError", "desc": "no such thing"}}"#)
                .unwrap(),
            Message::Refused {
                id: 1,
                why: "no such thing".into()
            }
        );
        assert_eq!(
            decode(r#"{"return": null, "id": 2}"#).unwrap(),
            Message::Return {
                id: 2,
                value: Value::Null
            }
        );
    }

    #[test]
    fn tells_a_power_off_from_a_crash() {
        let shutdown = |reason: &str| {
            let line = json!({"event": "SHUTDOWN", "data": {"guest": true, "reason": reason},
                "timestamp": {"seconds": 1, "microseconds": 2}});
            decode(&line.to_string()).unwrap()
        };
        let is = |kind| Message::Event(Event::Shutdown(kind));
        assert_eq!(shutdown("guest-shutdown"), is(Shutdown::PoweredOff));
        assert_eq!(shutdown("guest-reset"), is(Shutdown::Crashed));
        assert_eq!(shutdown("guest-panic"), is(Shutdown::Crashed));
        assert_eq!(shutdown("host-signal"), is(Shutdown::Host));
        assert_eq!(shutdown("something-new"), is(Shutdown::Host));
    }

    #[test]
    fn names_the_disk_that_failed() {
        let line = r#"{"event": "BLOCK_IO_ERROR", "data": {"device": "", "node-name": "disk0", "reason": "No space left on device", "operation": "write", "action": "stop", "nospace": true}}"#;
        let expected = Event::DiskError {
            disk: "disk0".into(),
            host_full: true,
        };
        assert_eq!(decode(line).unwrap(), Message::Event(expected));
    }

    #[test]
    fn refuses_what_is_not_qmp() {
        for line in [
            "",
            "{",
            "[]",
            "{}",
            "3",
            r#"{"return": {}}"#,
            r#"{"return": {}, "id": "x"}"#,
            r#"{"return": 1, "error": {"desc": ""}, "id": 1}"#,
            r#"{"id": 1}"#,
        ] {
            assert!(decode(line).is_err(), "{line}");
        }
        assert_eq!(
            decode(r#"{"event": "SHUTDOWN", "data": 5}"#).unwrap(),
            Message::Event(Event::Shutdown(Shutdown::Host))
        );
    }
}
