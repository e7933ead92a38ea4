use std::fmt::Display;
use std::io;

use serde::{Deserialize, Serialize};

/// A failure as it crosses the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[error("{message}")]
pub struct ApiError {
    /// Stable code.
    pub code: ErrorCode,
    /// One sentence for the person, with the remedy.
    pub message: String,
}

impl ApiError {
    /// An error of `code` with a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What the host refused: `tried` as "cannot write /x", the reason, the remedy where the
    /// reason alone does not tell it.
    pub fn host(tried: impl Display, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("{tried}: the disk is full; free some space, then try again")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                format!("{tried}: it can only be read there; CORACLE_HOME chooses another folder")
            }
            io::ErrorKind::PermissionDenied => {
                format!(
                    "{tried}: you may not; see who owns it, or let CORACLE_HOME choose another folder"
                )
            }
            _ => format!("{tried}: {error}"),
        };
        Self::new(ErrorCode::Host, message)
    }
}

/// Stable codes; the command's exit codes follow from them
/// (`docs/command.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request itself is wrong: an unknown setting, a value out of range.
    InvalidInput,
    /// The action does not fit the state (a shell while the VM is stopped).
    WrongState,
    /// Something of the host is missing: a program, the VM image.
    Missing,
    /// The VM did not start or ended early.
    VmFailed,
    /// The engine did not come up.
    EngineFailed,
    /// Another daemon owns this state folder.
    AlreadyRunning,
    /// The daemon does not run or does not answer.
    DaemonUnreachable,
    /// The host refused: permissions, a full disk.
    Host,
    /// A defect of Coracle.
    Internal,
}

impl ErrorCode {
    /// The exit code of a command that ends with this error.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            // 2 is clap's, for a wrong command line.
            Self::InvalidInput => 3,
            Self::WrongState => 4,
            Self::Missing => 5,
            Self::VmFailed => 6,
            Self::EngineFailed => 7,
            Self::AlreadyRunning => 8,
            Self::DaemonUnreachable => 9,
            Self::Host => 10,
        }
    }

    /// The code of that exit code.
    pub fn of_exit_code(code: u8) -> Option<Self> {
        [
            Self::Internal,
            Self::InvalidInput,
            Self::WrongState,
            Self::Missing,
            Self::VmFailed,
            Self::EngineFailed,
            Self::AlreadyRunning,
            Self::DaemonUnreachable,
            Self::Host,
        ]
        .into_iter()
        .find(|error| error.exit_code() == code)
    }
}
