//! containerd and dockerd: their configuration, their supervision, their state.

mod configuration;
mod ping;
mod trial;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::status::EngineState;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::command;
use crate::guest::Guest;
use crate::supervise::{Service, ServiceEvent, Supervised};
use trial::Trial;

/// The engine's socket. `/var/run` leads to `/run`.
pub(crate) const SOCKET: &str = "/run/docker.sock";

const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// Pause between two questions whether the engine is ready.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// Both programs under supervision.
pub(crate) struct Engine {
    containerd: Supervised,
    dockerd: Supervised,
    state: JoinHandle<()>,
}

/// containerd alone, for the time in which dockerd's own needs are still made.
pub(crate) struct Containerd {
    containerd: Supervised,
    events: mpsc::Receiver<ServiceEvent>,
}

impl Containerd {
    /// Starts containerd. It needs its folder on the data disk, and nothing else.
    pub(crate) fn start(guest: &Guest) -> io::Result<Self> {
        let (sender, events) = mpsc::channel(8);
        let mut program = command::program("/usr/bin/containerd");
        program.args(["--config", configuration::write_containerd()?]);
        let service = Service {
            name: "containerd",
            command: program,
            stale: &[],
            oom_score: -999,
            log: guest.logs.containerd.clone(),
        };
        let containerd = service.supervise(guest.reaper.clone(), sender);
        Ok(Self { containerd, events })
    }

    /// Starts dockerd beside it; from now on the guest's engine state is kept.
    pub(crate) fn with_dockerd(self, guest: &Arc<Guest>) -> io::Result<Engine> {
        let (sender, events) = mpsc::channel(8);
        let mut program = command::program("/usr/sbin/dockerd");
        program.args([
            "--config-file",
            configuration::write_dockerd(&guest.config.engine, &guest.config.network)?,
        ]);
        let service = Service {
            name: "dockerd",
            command: program,
            stale: &[configuration::DOCKERD_PID_FILE, SOCKET],
            oom_score: -500,
            log: guest.logs.engine.clone(),
        };
        let dockerd = service.supervise(guest.reaper.clone(), sender);
        let state = tokio::spawn(keep_state(guest.clone(), self.events, events));
        Ok(Engine {
            containerd: self.containerd,
            dockerd,
            state,
        })
    }
}

impl Engine {
    /// Stops dockerd, which stops the containers, then containerd.
    pub(crate) async fn stop(self, guest: &Guest) {
        self.state.abort();
        guest.engine.send_replace(EngineState::Stopping);
        self.dockerd.stop().await;
        self.containerd.stop().await;
    }
}

/// Which of the two runs, and how often one ended.
#[derive(Default)]
struct Pair {
    containerd: bool,
    dockerd: bool,
    exits: u32,
}

impl Pair {
    /// Takes an event of one of the two; the state that it leads to, if any.
    fn take(&mut self, is_dockerd: bool, event: ServiceEvent) -> Option<EngineState> {
        let runs = if is_dockerd {
            &mut self.dockerd
        } else {
            &mut self.containerd
        };
        *runs = event == ServiceEvent::Started;
        let ServiceEvent::Ended(reason) = event else {
            return None;
        };
        self.exits += 1;
        Some(EngineState::Restarting {
            exits: self.exits,
            reason,
        })
    }

    fn both_run(&self) -> bool {
        self.containerd && self.dockerd
    }
}

async fn keep_state(
    guest: Arc<Guest>,
    mut containerd: mpsc::Receiver<ServiceEvent>,
    mut dockerd: mpsc::Receiver<ServiceEvent>,
) {
    let mut pair = Pair::default();
    let mut trial = Trial::of(&guest.config);
    loop {
        let ready = *guest.engine.borrow() == EngineState::Ready;
        let probing = pair.both_run() && !ready;
        let (is_dockerd, event) = tokio::select! {
            Some(event) = containerd.recv() => (false, event),
            Some(event) = dockerd.recv() => (true, event),
            () = answers(), if probing => {
                tracing::info!("the engine is ready");
                trial.passed();
                guest.engine.send_replace(EngineState::Ready);
                continue;
            }
            else => return,
        };
        if is_dockerd && let ServiceEvent::Ended(reason) = &event {
            // Before the supervisor's pause is over.
            trial.failed(reason, &guest);
        }
        if let Some(state) = pair.take(is_dockerd, event) {
            guest.engine.send_replace(state);
        }
    }
}

/// Returns once containerd accepts connections and dockerd answers its ping.
async fn answers() {
    loop {
        if UnixStream::connect(CONTAINERD_SOCKET).await.is_ok() && ping::answers(SOCKET).await {
            return;
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_runs_when_both_do_and_counts_every_end() {
        let mut pair = Pair::default();
        assert_eq!(pair.take(false, ServiceEvent::Started), None);
        assert!(!pair.both_run());
        assert_eq!(pair.take(true, ServiceEvent::Started), None);
        assert!(pair.both_run());
        let restarting = |exits, reason: &str| {
            Some(EngineState::Restarting {
                exits,
                reason: reason.to_owned(),
            })
        };
        assert_eq!(
            pair.take(true, ServiceEvent::Ended("a".into())),
            restarting(1, "a")
        );
        assert_eq!(
            pair.take(false, ServiceEvent::Ended("b".into())),
            restarting(2, "b")
        );
        assert!(!pair.both_run());
        pair.take(true, ServiceEvent::Started);
        assert!(!pair.both_run());
    }
}
