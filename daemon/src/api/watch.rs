//! Edits on their way, for clients that look on.
//!
//! While somebody does, each published port of the watched containers is asked for `/` after an
//! edit, until it answers otherwise. Which ports these are is the daemon's own table's word.

mod probe;
mod timing;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coracle_daemon_api::{
    ApiError, ErrorCode, PortStatus, WatchLine, WatchRequest, WatchedContainer,
};
use coracle_file_events::{Delivered, Mounting, Reloaded, Step};
use futures::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::Daemon;
use super::answer::{Answer, lines};
use crate::event::Request;
use probe::Probe;
use timing::{ms, seen_after, slowest};

/// How many lines wait for the client.
const LINES: usize = 256;

/// How many containers are asked at most: the guest says how many there are.
const ASKED: usize = 64;

/// How long a new answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long containers that are about to start are waited for, and between two looks.
const STARTING: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Lines until the client leaves or the daemon ends.
pub(super) async fn answer(daemon: &Daemon, request: WatchRequest) -> Result<Answer, ApiError> {
    // An error when there is no VM to watch.
    daemon.ask(Request::Agent).await??;
    // Before the first look, so that nothing is missed between.
    let mut steps = daemon.file_events.steps();
    let mounting = started(daemon).await;
    for target in &request.targets {
        if !mounting
            .iter()
            .any(|one| !one.away && is_meant(one, target))
        {
            let message = format!(
                "no container or service {target} that mounts files of this host runs: \
                 `docker ps` lists the containers"
            );
            return Err(ApiError::new(ErrorCode::InvalidInput, message));
        }
    }
    let (sender, receiver) = mpsc::channel(LINES);
    let mut watch = Watch {
        daemon: daemon.clone(),
        targets: request.targets,
        lines: sender,
        probes: HashMap::new(),
        asking: JoinSet::new(),
    };
    let mut news = daemon.news.clone();
    let ended = async move { while news.changed().await.is_ok() {} };
    tokio::spawn(async move {
        let lines = watch.lines.clone();
        let watching = async {
            watch.begin(&mounting).await;
            loop {
                let line = tokio::select! {
                    step = steps.recv() => match step {
                        Ok(step) => watch.on(step),
                        Err(RecvError::Lagged(steps)) => Some(WatchLine::Missed { steps }),
                        Err(RecvError::Closed) => return,
                    },
                    Some(_) = watch.asking.join_next() => None,
                };
                if let Some(line) = line
                    && watch.lines.send(line).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! {
            () = watching => {}
            () = lines.closed() => {}
            () = ended => {}
        }
    });
    Ok(lines(stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    })))
}

/// Those that mount files, once those that are about to start have done so.
async fn started(daemon: &Daemon) -> Vec<Mounting> {
    let until = Instant::now() + STARTING;
    loop {
        let mounting = daemon.file_events.mounting();
        if Instant::now() >= until || !mounting.iter().any(|one| one.starting) {
            return mounting;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

struct Watch {
    daemon: Daemon,
    targets: Vec<String>,
    lines: mpsc::Sender<WatchLine>,
    /// By the container's id.
    probes: HashMap<String, Asked>,
    /// Dropped with this, no port is asked any more.
    asking: JoinSet<()>,
}

/// A container that is asked.
struct Asked {
    probe: Arc<Probe>,
    running: Option<AbortHandle>,
    /// When the reload for the last save was done.
    reloaded: Arc<std::sync::Mutex<Option<Duration>>>,
}

impl Watch {
    async fn begin(&mut self, mounting: &[Mounting]) {
        let ports = self.daemon.news.borrow().status.ports.clone();
        let mut containers = Vec::new();
        for one in mounting {
            if one.away || !self.wants(one) {
                continue;
            }
            let addresses = published(one, &ports);
            containers.push(WatchedContainer {
                name: one.name.clone(),
                service: one.service.clone(),
                addresses: addresses.iter().map(ToString::to_string).collect(),
                reloads: one.reloads,
            });
            if !addresses.is_empty() && self.has_room(one) {
                self.asked(one);
            }
        }
        // A save from when it is said that saves are watched is compared with what was before it.
        let first = self.probes.values().map(|asked| asked.probe.learn());
        futures::future::join_all(first).await;
        let _ = self.lines.send(WatchLine::Watching { containers }).await;
    }

    fn wants(&self, one: &Mounting) -> bool {
        let mut targets = self.targets.iter();
        self.targets.is_empty() || targets.any(|target| is_meant(one, target))
    }

    /// Whether it may be asked besides the others, without those that are gone.
    fn has_room(&mut self, one: &Mounting) -> bool {
        if self.probes.len() >= ASKED && !self.probes.contains_key(&one.id) {
            let mounting = self.daemon.file_events.mounting();
            let ids: HashSet<_> = mounting.iter().map(|one| &one.id).collect();
            self.probes.retain(|id, _| ids.contains(id));
        }
        self.probes.len() < ASKED || self.probes.contains_key(&one.id)
    }

    fn asked(&mut self, one: &Mounting) -> &mut Asked {
        let (daemon, id) = (self.daemon.clone(), one.id.clone());
        let find = move || {
            let mounting = daemon.file_events.mounting();
            let one = mounting.iter().find(|one| one.id == id)?;
            published(one, &daemon.news.borrow().status.ports)
                .first()
                .copied()
        };
        let asked = self.probes.entry(one.id.clone());
        asked.or_insert_with(|| Asked {
            probe: Arc::new(Probe::new(Box::new(find))),
            running: None,
            reloaded: Arc::default(),
        })
    }

    fn on(&mut self, step: Step) -> Option<WatchLine> {
        match step {
            Step::Delivered(delivered) => self.delivered(delivered),
            Step::Reloaded(reloaded) => self.reloaded(reloaded),
        }
    }

    fn delivered(&mut self, delivered: Delivered) -> Option<WatchLine> {
        let wanted = |one: &&Mounting| !one.away && self.wants(one);
        let wanted = delivered.containers.iter().filter(wanted);
        let wanted: Vec<_> = wanted.cloned().collect();
        if wanted.is_empty() {
            return None;
        }
        let ports = self.daemon.news.borrow().status.ports.clone();
        for one in &wanted {
            if !published(one, &ports).is_empty() && self.has_room(one) {
                self.ask(one, &delivered);
            }
        }
        let last = delivered.paths.last();
        Some(WatchLine::Delivered {
            save: delivered.save,
            seen_ms: last.and_then(|path| seen_after(path, delivered.seen)),
            paths: delivered.paths.iter().map(|path| text(path)).collect(),
            overflow: delivered.overflow,
            containers: wanted.into_iter().map(|one| one.name).collect(),
            delivered_ms: ms(delivered.after),
        })
    }

    /// Asks until the answer is another one. A save while that lasts takes its place.
    fn ask(&mut self, one: &Mounting, delivered: &Delivered) {
        let (save, seen, after) = (delivered.save, delivered.seen, delivered.after);
        let (name, lines) = (one.name.clone(), self.lines.clone());
        let asked = self.asked(one);
        if let Some(before) = asked.running.take() {
            before.abort();
        }
        let (probe, reload) = (asked.probe.clone(), asked.reloaded.clone());
        *lock(&reload) = None;
        let id = one.id.clone();
        let running = self.asking.spawn(async move {
            let began = Instant::now();
            let changed = tokio::time::timeout(PATIENCE, probe.changed()).await;
            let address = probe.address();
            let address = address.map_or(String::new(), |address| address.to_string());
            let line = match changed {
                Ok(()) => {
                    let answered = seen.elapsed();
                    let reloaded = lock(&reload).unwrap_or(after);
                    let (slowest, took) = slowest(after, reloaded, answered);
                    WatchLine::Answered {
                        save,
                        container: name,
                        address,
                        answered_ms: ms(answered),
                        slowest,
                        slowest_ms: ms(took),
                    }
                }
                // Nothing can be told of a page that is another one each time, nor of what was never asked before.
                Err(_) if !probe.can_tell() => return,
                Err(_) => WatchLine::Unchanged {
                    save,
                    container: name,
                    address,
                    waited_ms: ms(began.elapsed()),
                },
            };
            let _ = lines.send(line).await;
        });
        if let Some(asked) = self.probes.get_mut(&id) {
            asked.running = Some(running);
        }
    }

    fn reloaded(&mut self, reloaded: Reloaded) -> Option<WatchLine> {
        let mounting = self.daemon.file_events.mounting();
        let one = mounting.iter().find(|one| one.id == reloaded.id)?;
        if !self.wants(one) {
            return None;
        }
        if let Some(asked) = self.probes.get(&reloaded.id) {
            *lock(&asked.reloaded) = Some(reloaded.after);
        }
        Some(WatchLine::Reloaded {
            save: reloaded.save,
            container: one.name.clone(),
            action: reloaded.action,
            reloaded_ms: ms(reloaded.after),
            error: reloaded.error,
        })
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn is_meant(one: &Mounting, target: &str) -> bool {
    one.name == target
        || one.service.as_deref() == Some(target)
        || target.len() >= 12 && one.id.starts_with(target)
}

/// The container's TCP ports that the host listens on, as this host reaches them.
fn published(one: &Mounting, ports: &[PortStatus]) -> Vec<SocketAddr> {
    let mine = |port: &&PortStatus| {
        let inside: Option<SocketAddr> = port.container.parse().ok();
        port.protocol == "tcp"
            && port.error.is_none()
            && inside.is_some_and(|inside| one.addresses.contains(&inside.ip()))
    };
    let reach = |port: &PortStatus| {
        let mut address: SocketAddr = port.host.parse().ok()?;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Some(address)
    };
    let mut found: Vec<_> = ports.iter().filter(mine).filter_map(reach).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A name can be any bytes.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(protocol: &str, host: &str, container: &str) -> PortStatus {
        PortStatus {
            protocol: protocol.into(),
            host: host.into(),
            container: container.into(),
            error: None,
        }
    }

    #[test]
    fn ports_are_those_of_the_containers_addresses() {
        let one = Mounting {
            id: "0123456789abcdef".into(),
            name: "web".into(),
            service: Some("site".into()),
            addresses: vec!["172.18.0.2".parse().unwrap()],
            reloads: false,
            away: false,
            starting: false,
        };
        let mut taken = port("tcp", "0.0.0.0:81", "172.18.0.2:81");
        taken.error = Some("taken".into());
        let ports = [
            port("tcp", "0.0.0.0:8080", "172.18.0.2:80"),
            port("tcp", "[::]:8080", "172.18.0.2:80"),
            port("udp", "0.0.0.0:53", "172.18.0.2:53"),
            port("tcp", "0.0.0.0:22", "172.18.0.3:22"),
            taken,
        ];
        let found: Vec<_> = published(&one, &ports)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["127.0.0.1:8080", "[::1]:8080"]);
        for (target, meant) in [
            ("web", true),
            ("site", true),
            ("0123456789ab", true),
            ("0123", false),
            ("other", false),
        ] {
            assert_eq!(is_meant(&one, target), meant, "{target}");
        }
    }
}
