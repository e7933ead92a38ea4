//! Swarm for people who do not know it: there is one or there is none.

mod engine_types;

use std::time::Duration;

use bytes::Bytes;
use coracle_daemon_api::{
    ApiError, ErrorCode, PortStatus, SwarmChange, SwarmService, SwarmState, SwarmStatus,
};
use coracle_guest_api::mux::Opener;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use super::Daemon;
use crate::engine;
use crate::event::Request;
use engine_types::{Info, Service, Swarm};

/// How long the engine may take. A leave waits for the containers to stop.
const ANSWER: Duration = Duration::from_secs(120);

/// Where a swarm listens; the guest is the only one in it.
const LISTEN: &str = "0.0.0.0:2377";

/// Ten years (see `docs/adr/0007-swarm-certificates.md`).
const CERTIFICATE_LIFE_NS: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// The swarm now, with its services and whether the host listens for them.
pub(super) async fn status(daemon: &Daemon) -> Result<SwarmStatus, ApiError> {
    let opener = daemon.ask(Request::Agent).await??;
    let swarm = swarm(&opener).await?;
    let mut status = SwarmStatus {
        state: swarm.state(),
        error: swarm.error(),
        services: Vec::new(),
    };
    if status.state == SwarmState::On {
        let services: Vec<Service> = get(&opener, "/services?status=true").await?;
        let ports = daemon.ask(Request::Status).await?.ports;
        status.services = services.iter().map(Service::describe).collect();
        status.services.sort_by(|a, b| a.name.cmp(&b.name));
        mark_missing(&mut status.services, &ports);
    }
    Ok(status)
}

/// Makes a swarm or ends it.
pub(super) async fn change(
    daemon: &Daemon,
    SwarmChange { on }: SwarmChange,
) -> Result<SwarmStatus, ApiError> {
    let opener = daemon.ask(Request::Agent).await??;
    let state = swarm(&opener).await?.state();
    match (on, state) {
        (true, SwarmState::Off) => {
            let wish = json!({
                "ListenAddr": LISTEN,
                "Spec": { "CAConfig": { "NodeCertExpiry": CERTIFICATE_LIFE_NS } },
            });
            post(&opener, "/swarm/init", &wish).await?;
        }
        (true, SwarmState::On | SwarmState::Starting) | (false, SwarmState::Off) => {}
        (true, SwarmState::Locked | SwarmState::Worker | SwarmState::Failed) => {
            let why = status(daemon).await?.error;
            return Err(ApiError::new(
                ErrorCode::WrongState,
                format!(
                    "there is a swarm that cannot be used: {}; `coracle swarm off` removes it",
                    why.as_deref().unwrap_or("no reason is known")
                ),
            ));
        }
        (false, _) => post(&opener, "/swarm/leave?force=true", &json!({})).await?,
    }
    status(daemon).await
}

fn mark_missing(services: &mut [SwarmService], ports: &[PortStatus]) {
    for port in services.iter_mut().flat_map(|service| &mut service.ports) {
        let end = format!(":{}", port.published);
        port.error = ports
            .iter()
            .filter(|actual| actual.protocol == port.protocol && actual.host.ends_with(&end))
            .find_map(|actual| actual.error.clone());
    }
}

async fn swarm(opener: &Opener) -> Result<Swarm, ApiError> {
    Ok(get::<Info>(opener, "/info").await?.swarm)
}

async fn get<T: DeserializeOwned>(opener: &Opener, path: &str) -> Result<T, ApiError> {
    let answer = ask(opener, Method::GET, path, Bytes::new()).await?;
    serde_json::from_slice(&answer).map_err(|error| {
        let message = format!("the engine's answer was not understood: {error}");
        ApiError::new(ErrorCode::Internal, message)
    })
}

async fn post(opener: &Opener, path: &str, body: &serde_json::Value) -> Result<(), ApiError> {
    ask(opener, Method::POST, path, body.to_string().into()).await?;
    Ok(())
}

async fn ask(opener: &Opener, method: Method, path: &str, body: Bytes) -> Result<Bytes, ApiError> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let failed = |message| ApiError::new(ErrorCode::EngineFailed, message);
    let (status, body) = timeout(ANSWER, engine::request(opener, method, path, body))
        .await
        .map_err(|_| failed("the engine did not answer: see `coracle logs engine`".into()))?
        .map_err(|error| failed(format!("the engine could not be asked: {error}")))?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let words = match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => refusal.message,
        Err(_) => status.to_string(),
    };
    Err(failed(format!("the engine refused: {words}")))
}
