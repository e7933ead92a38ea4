//! How a verb ends when it does not succeed.

use std::io;

use coracle_daemon_api::{ApiError, ClientError, ErrorCode, Progress};
use coracle_host_paths::PathError;

use crate::output::Output;

/// Why a verb did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell the person.
    Error(ApiError),
    /// The reader of stdout has gone (`| head`): nothing is wrong and nobody listens.
    ReaderGone,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Error(ApiError::new(code, message))
    }

    /// An IO error with what was tried, as "cannot read /x".
    pub(crate) fn host(tried: impl std::fmt::Display, error: &io::Error) -> Self {
        ApiError::host(tried, error).into()
    }

    /// Tells the person (and, with `--json`, the program that reads stdout) and
    /// returns the exit code.
    pub(crate) fn report(self, output: Output, as_progress: bool) -> u8 {
        let Self::Error(error) = self else {
            return 0;
        };
        let code = error.code.exit_code();
        output.note(&format!("coracle: {}", error.message));
        if output.json {
            // A failure to write is a second error on the way out of the first.
            let _ = if as_progress {
                output.json_line(&Progress::Failed { error })
            } else {
                output.json_line(&serde_json::json!({ "error": error }))
            };
        }
        code
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Error(error.to_api())
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Create { path, source } => {
                Self::host(format!("cannot make {}", path.display()), &source)
            }
            error => Self::new(ErrorCode::InvalidInput, error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorCode::Host, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(ErrorCode::Internal, error.to_string())
    }
}
