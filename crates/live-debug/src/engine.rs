use async_trait::async_trait;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::DebugError;

/// What the engine has answered.
#[derive(Clone, Debug)]
pub struct EngineAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// The body, JSON as a rule.
    pub body: Bytes,
}

/// Asks the Docker engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// One request without a body. The error is one sentence.
    async fn ask(&self, method: &str, path: &str) -> Result<EngineAnswer, String>;
}

/// A JSON answer; `None` for "there is no such thing".
pub(crate) async fn get<T: DeserializeOwned>(
    engine: &dyn Engine,
    path: &str,
) -> Result<Option<T>, DebugError> {
    let answer = engine.ask("GET", path).await.map_err(DebugError::failed)?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|error| {
                DebugError::failed(format!("the engine's answer was not understood: {error}"))
            }),
        404 => Ok(None),
        other => Err(DebugError::failed(format!(
            "the engine answered with status {other}"
        ))),
    }
}
