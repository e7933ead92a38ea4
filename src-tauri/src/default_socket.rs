//! The link at which programs look for Docker: the `coracle` command's, which asks for root's rights.

use coracle_daemon_api::{ApiError, ErrorCode};
use serde::{Deserialize, Serialize};

use crate::daemon::sentence;
use crate::launch;

/// What is there, as `coracle default-socket` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct DefaultSocket {
    /// Whose engine programs find.
    leads: Leads,
    /// The end of a link.
    to: Option<String>,
    /// Whether the system makes our link when it boots.
    after_boot: bool,
}

/// Whose engine programs find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Leads {
    /// This Coracle's.
    Here,
    /// Another one's.
    Elsewhere,
    /// None.
    Nowhere,
}

/// What is there.
pub(crate) async fn look() -> Result<DefaultSocket, ApiError> {
    ask("status").await
}

/// Leads it here, or no longer; the person is asked for root's rights.
pub(crate) async fn turn(on: bool) -> Result<DefaultSocket, ApiError> {
    ask(if on { "on" } else { "off" }).await
}

async fn ask(verb: &str) -> Result<DefaultSocket, ApiError> {
    read(&launch::ask(&["default-socket", verb]).await?)
}

/// From the JSON of the command.
fn read(answer: &[u8]) -> Result<DefaultSocket, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Found(DefaultSocket),
        Failed { error: ApiError },
    }
    match serde_json::from_slice(answer) {
        Ok(Answer::Found(found)) => Ok(found),
        Ok(Answer::Failed { error }) => Err(ApiError::new(error.code, sentence(&error.message))),
        Err(error) => Err(ApiError::new(
            ErrorCode::Internal,
            format!("`coracle default-socket` was not understood: {error}."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_understood() {
        let answer = br#"{"socket": "/s", "leads": "elsewhere", "to": "/o", "after_boot": false}"#;
        let found = DefaultSocket {
            leads: Leads::Elsewhere,
            to: Some("/o".into()),
            after_boot: false,
        };
        assert_eq!(read(answer), Ok(found));
        let answer = br#"{"error": {"code": "missing", "message": "there is no pkexec"}}"#;
        let error = ApiError::new(ErrorCode::Missing, "There is no pkexec.");
        assert_eq!(read(answer), Err(error));
        assert_eq!(read(b"").unwrap_err().code, ErrorCode::Internal);
    }
}
