//! For the fuzz targets; nothing else needs it.

use async_trait::async_trait;
use bytes::Bytes;

use crate::engine::{Engine, EngineAnswer};
use crate::sources::{self, PathMap};

/// Answers everything with the same.
struct Parrot(Bytes);

#[async_trait]
impl Engine for Parrot {
    async fn ask(&self, _: &str, _: &str) -> Result<EngineAnswer, String> {
        Ok(EngineAnswer {
            status: 200,
            body: self.0.clone(),
        })
    }
}

/// The source folders of the container that the engine's answer to `GET /containers/web/json` tells
/// of; `None` if it is no such answer, or none that runs.
pub async fn paths(answer: &[u8]) -> Option<Vec<PathMap>> {
    let engine = Parrot(Bytes::copy_from_slice(answer));
    let found = crate::container::find(&engine, "web").await.ok()?;
    Some(sources::map(&found))
}
