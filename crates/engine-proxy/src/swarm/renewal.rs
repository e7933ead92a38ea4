//! The certificate of a swarm's first node.
//!
//! The engine makes it before it knows of the expiry, so it lives 90 days whatever was chosen
//! (seen with 26.1). A rotation of the authority has it made anew.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::connection::Context;
use crate::exchange;

/// A mark on the request after which the node's certificate is to be renewed.
#[derive(Clone, Copy)]
pub(crate) struct RenewAfter;

/// Until then the swarm is without a leader or the rotation goes on; either is a matter of a
/// second.
const WITHIN: Duration = Duration::from_secs(20);

const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Renews it, and waits until it is: the client shows join tokens next, which change with it.
/// A failure is logged; the swarm is there all the same.
pub(crate) async fn renew(context: Context) {
    match timeout(WITHIN, rotate(&context)).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => tracing::warn!(why, "the certificate of a new swarm was not renewed"),
        Err(_) => tracing::warn!("the certificate of a new swarm was not renewed in time"),
    }
}

async fn rotate(context: &Context) -> Result<(), String> {
    loop {
        let mut swarm = swarm(context).await?;
        let version = swarm["Version"]["Index"].as_u64().unwrap_or_default();
        let authority = &mut swarm["Spec"]["CAConfig"];
        let rotations = authority["ForceRotate"].as_u64().unwrap_or_default();
        authority["ForceRotate"] = (rotations + 1).into();
        let path = format!("/swarm/update?version={version}");
        let (status, body) = exchange::ask(context, Method::POST, &path, &swarm["Spec"]).await?;
        match status {
            StatusCode::OK => break,
            // The engine has changed something of it meanwhile.
            _ if body.contains("out of sequence") => sleep(AGAIN_AFTER).await,
            _ => return Err(format!("{status}: {body}")),
        }
    }
    while swarm(context).await?["RootRotationInProgress"] == true {
        sleep(AGAIN_AFTER).await;
    }
    Ok(())
}

/// The swarm, once it has a leader.
async fn swarm(context: &Context) -> Result<Value, String> {
    loop {
        let (status, body) = exchange::ask(context, Method::GET, "/swarm", &Value::Null).await?;
        if status == StatusCode::OK {
            return serde_json::from_str(&body).map_err(|error| error.to_string());
        }
        sleep(AGAIN_AFTER).await;
    }
}
