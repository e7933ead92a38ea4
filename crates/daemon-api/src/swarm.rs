use serde::{Deserialize, Serialize};

/// The engine's swarm and its services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SwarmStatus {
    /// Where it is.
    pub state: SwarmState,
    /// What the engine says when it is not as it should be.
    pub error: Option<String>,
    /// By name; empty unless the state is `on`.
    pub services: Vec<SwarmService>,
}

/// States of the engine's swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum SwarmState {
    /// There is none.
    Off,
    /// It is up, and this engine manages it.
    On,
    /// It is coming up.
    Starting,
    /// Its key is asked for: `docker swarm unlock`.
    Locked,
    /// This engine works for a swarm that another one manages.
    Worker,
    /// It does not come up.
    Failed,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SwarmService {
    /// Its name.
    pub name: String,
    /// The image, as the service names it.
    pub image: String,
    /// `replicated`, `global`, `replicated-job` or `global-job`.
    pub mode: String,
    /// Replicas that run.
    pub running: u64,
    /// Replicas that should.
    pub desired: u64,
    /// What an update or rollback is at, in the engine's words; null when there was none.
    pub update: Option<String>,
    /// Published ports.
    pub ports: Vec<SwarmPort>,
}

/// A published port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SwarmPort {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// On the host; 0 when the engine chooses it for each replica.
    pub published: u16,
    /// In the containers.
    pub target: u16,
    /// `ingress` (all replicas behind one port) or `host` (each replica its own).
    pub mode: String,
    /// Null when the host listens, else why not.
    pub error: Option<String>,
}

/// A wish for the swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmChange {
    /// Whether there should be one. Without one all services, secrets and configs are gone.
    pub on: bool,
}
