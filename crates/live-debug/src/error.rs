use coracle_guest_api::AgentErrorCode;
use coracle_guest_api::mux::OpenError;

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DebugError {
    /// What to act upon.
    pub kind: DebugErrorKind,
    /// One sentence, with the remedy.
    pub message: String,
}

/// Kinds of [`DebugError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugErrorKind {
    /// What was asked for is not there.
    Wrong,
    /// It is there and cannot be debugged now, or at all.
    Refused,
    /// The engine or the guest did not answer.
    Failed,
    /// The host gave no port.
    Host,
}

impl DebugError {
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::of(DebugErrorKind::Wrong, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::of(DebugErrorKind::Refused, message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::of(DebugErrorKind::Failed, message)
    }

    pub(crate) fn host(message: impl Into<String>) -> Self {
        Self::of(DebugErrorKind::Host, message)
    }

    pub(crate) fn no_guest() -> Self {
        Self::failed("the VM is suspended or on its way: `coracle start` has it go on")
    }

    fn of(kind: DebugErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl From<OpenError> for DebugError {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::Refused(refusal)
                if matches!(
                    refusal.code,
                    AgentErrorCode::NoProcess | AgentErrorCode::Unsupported
                ) =>
            {
                Self::refused(error.to_string())
            }
            _ => Self::failed(error.to_string()),
        }
    }
}
