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
use tokio::net::UnixStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::Daemon;
use crate::engine;
use crate::event::Request;
use engine_types::{Info, Service, Swarm};

/// How long the engine may take. A leave waits for the containers to stop.
const ANSWER: Duration = Duration::from_secs(120);

/// How often it is left before that counts as a failure.
const LEAVES: u32 = 4;

/// Where a swarm listens; the guest is the only one in it.
const LISTEN: &str = "0.0.0.0:2377";

/// The swarm now, with its services and whether the host listens for them.
pub(super) async fn status(daemon: &Daemon) -> Result<SwarmStatus, ApiError> {
    let mut opener = daemon.ask(Request::Agent).await??;
    // Who looks at a swarm does not use the VM, but one that sleeps has to wake for the answer.
    if !daemon.ask(Request::Status).await?.vm.asleep {
        opener = opener.in_background();
    }
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
        (true, SwarmState::Off) => init(daemon).await?,
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
        (false, _) => leave(&opener).await?,
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
    let answer = ask(opener, Method::GET, path).await?;
    serde_json::from_slice(&answer).map_err(|error| {
        let message = format!("the engine's answer was not understood: {error}");
        ApiError::new(ErrorCode::Internal, message)
    })
}

/// By the socket of every client, which has the certificates made as they should be.
async fn init(daemon: &Daemon) -> Result<(), ApiError> {
    let body = format!(r#"{{"ListenAddr":"{LISTEN}"}}"#);
    let made = async {
        let socket = UnixStream::connect(daemon.paths.engine_socket()).await?;
        engine::request_over(socket, Method::POST, "/swarm/init", body.into()).await
    };
    understand(timeout(ANSWER, made).await).map(drop)
}

/// The engine gives up when containers take long to stop, and has not left then.
async fn leave(opener: &Opener) -> Result<(), ApiError> {
    let mut attempts = 1;
    loop {
        let left = ask(opener, Method::POST, "/swarm/leave?force=true").await;
        let off = swarm(opener).await?.state() == SwarmState::Off;
        match left {
            Err(error) if !off && attempts == LEAVES => return Err(error),
            Err(_) if !off => attempts += 1,
            _ => return Ok(()),
        }
    }
}

async fn ask(opener: &Opener, method: Method, path: &str) -> Result<Bytes, ApiError> {
    understand(timeout(ANSWER, engine::request(opener, method, path, Bytes::new())).await)
}

/// The body of a success.
fn understand(
    answer: Result<Result<(StatusCode, Bytes), engine::Failure>, Elapsed>,
) -> Result<Bytes, ApiError> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let failed = |message| ApiError::new(ErrorCode::EngineFailed, message);
    let (status, body) = answer
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
