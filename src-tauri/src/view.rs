//! What the app knows at one moment, for the tray and for the page.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use coracle_daemon_api::{DebugSession, Snapshot, Stage, Status, SwarmStatus, VmState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::followed::Pieces;

/// Everything that is shown of this Coracle.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct View {
    /// Whether there is a daemon to ask.
    pub(crate) daemon: Link,
    /// What the daemon has said last; null while there is none.
    pub(crate) status: Option<Status>,
    /// By project and name; null while the engine does not answer.
    pub(crate) containers: Option<Vec<Container>>,
    /// The oldest first.
    pub(crate) snapshots: Vec<Snapshot>,
    /// The oldest first.
    pub(crate) debug_sessions: Vec<Debugged>,
    /// The swarm's services; null while the engine does not answer.
    pub(crate) swarm: Option<SwarmStatus>,
    /// The long action that goes on.
    pub(crate) doing: Option<Doing>,
    /// Grows with everything that happens in the engine.
    pub(crate) engine_news: u32,
}

impl View {
    /// The fields that are not as they were before. Very many containers are no part of each figure's change.
    pub(crate) fn since(&self, before: Option<&Self>) -> Map<String, Value> {
        let mut changed = Map::new();
        macro_rules! compare {
            ($($field:ident),*) => {
                // So that none is forgotten.
                let Self { $($field),* } = self;
                $(
                    if before.is_none_or(|before| before.$field != *$field) {
                        changed.insert(stringify!($field).into(), json!($field));
                    }
                )*
            };
        }
        compare!(
            daemon,
            status,
            containers,
            snapshots,
            debug_sessions,
            swarm,
            doing,
            engine_news
        );
        changed
    }
}

/// Sends all that is known, and then what changes. What changes while the page is busy goes to it together.
pub(crate) async fn follow(mut views: watch::Receiver<View>, page: Pieces<Map<String, Value>>) {
    let mut sent = None;
    while let Ok(place) = page.reserve().await {
        let view = views.borrow_and_update().clone();
        let told = place.send(view.since(sent.as_ref()));
        sent = Some(view);
        // The page is gone, or the app ends.
        if told.is_err() || views.changed().await.is_err() {
            return;
        }
    }
}

/// The connection to the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "link")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Link {
    /// Nothing is known yet.
    #[default]
    Looking,
    /// It answers.
    Connected,
    /// It does not run.
    Gone {
        /// One sentence.
        message: String,
    },
    /// It runs and says nothing.
    Silent {
        /// One sentence.
        message: String,
    },
    /// It speaks another version of the protocol.
    Foreign {
        /// One sentence.
        message: String,
    },
}

/// A long action that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Doing {
    /// Where it is; null until the daemon has said so.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub(crate) stage: Option<Stage>,
    /// A few words for the person.
    pub(crate) message: String,
}

/// A debug session, and what a person does with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Debugged {
    /// What the daemon tells of it.
    #[serde(flatten)]
    pub(crate) session: DebugSession,
    /// How to connect a debugger.
    pub(crate) connect: String,
}

impl From<DebugSession> for Debugged {
    fn from(session: DebugSession) -> Self {
        let connect = session.connect();
        Self { session, connect }
    }
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Container {
    /// The engine's id.
    pub(crate) id: String,
    /// Without the slash.
    pub(crate) name: String,
    /// As it was named when the container was made.
    pub(crate) image: String,
    /// `running`, `exited`, … in the engine's words.
    pub(crate) state: String,
    /// The state with times, in the engine's words.
    pub(crate) status: String,
    /// Compose's project, or the swarm service that it is a replica of.
    pub(crate) project: Option<String>,
    /// Compose's name of the service.
    pub(crate) service: Option<String>,
    /// The folder of compose's project on the host.
    pub(crate) folder: Option<String>,
    /// Published TCP ports of the host, in order.
    pub(crate) ports: Vec<PublishedPort>,
}

impl Container {
    /// Whether there are processes in it.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }
}

/// A port of the host that leads into a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct PublishedPort {
    /// On the host.
    pub(crate) host: u16,
    /// In the container.
    pub(crate) container: u16,
}

/// The swarm with its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Swarm {
    /// What the daemon says of it.
    pub(crate) status: SwarmStatus,
    /// By name.
    pub(crate) nodes: Vec<SwarmNode>,
    /// Tasks of all services but those that have ended as they should.
    pub(crate) tasks: Vec<SwarmTask>,
    /// How each service is updated.
    pub(crate) updates: Vec<RollingUpdate>,
}

/// An engine of the swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct SwarmNode {
    /// The engine's id.
    pub(crate) id: String,
    /// Its host's name.
    pub(crate) name: String,
    /// `manager` or `worker`.
    pub(crate) role: String,
    /// Whether it takes tasks.
    pub(crate) availability: Availability,
    /// `ready`, `down`, … in the engine's words.
    pub(crate) state: String,
    /// Whether it leads the managers.
    pub(crate) leader: bool,
}

/// Whether a node takes tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Availability {
    /// It does.
    Active,
    /// It keeps those that it has.
    Pause,
    /// Those that it has go to other nodes.
    Drain,
}

/// How the tasks of a service are replaced when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct RollingUpdate {
    /// The service's name.
    pub(crate) service: String,
    /// Tasks at a time; 0 for all at once.
    pub(crate) parallelism: u32,
    /// Seconds between them.
    pub(crate) delay_s: u32,
    /// What the engine says of the last.
    pub(crate) message: Option<String>,
}

/// A replica at one moment of its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct SwarmTask {
    /// The engine's id.
    pub(crate) id: String,
    /// The service's name.
    pub(crate) service: String,
    /// Its number among the replicas; 0 where they have none.
    pub(crate) slot: u32,
    /// Where it is, in the engine's words.
    pub(crate) state: String,
    /// Where it should be, in the engine's words.
    pub(crate) desired: String,
    /// Why it is not there.
    pub(crate) error: Option<String>,
    /// The node's id; null while it has none.
    pub(crate) node: Option<String>,
    /// What it is made of.
    pub(crate) image: String,
}

/// What the tray shows at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mood {
    /// No VM; perhaps its memory on the disk.
    Stopped,
    /// On its way up or down.
    Starting,
    /// The engine answers.
    Running,
    /// Paused or suspended until somebody uses it.
    Asleep,
    /// It runs, and less well than it should.
    Degraded,
    /// It waits for a person.
    Error,
}

impl View {
    /// What the tray shows at a glance.
    pub(crate) fn mood(&self) -> Mood {
        match (&self.daemon, &self.status) {
            (Link::Silent { .. } | Link::Foreign { .. }, _) => Mood::Error,
            (Link::Connected, Some(status)) => match status.vm.state {
                _ if self.doing.is_some() => Mood::Starting,
                VmState::Booting | VmState::EngineStarting | VmState::Stopping => Mood::Starting,
                VmState::Failed => Mood::Error,
                VmState::Running | VmState::Suspended if status.vm.asleep => Mood::Asleep,
                VmState::Stopped | VmState::Suspended => Mood::Stopped,
                VmState::Running if !status.degraded.is_empty() => Mood::Degraded,
                VmState::Running => Mood::Running,
            },
            _ if self.doing.is_some() => Mood::Starting,
            _ => Mood::Stopped,
        }
    }

    /// Whether no VM has ever been made here.
    pub(crate) fn is_first_run(&self) -> bool {
        let disk = self.status.as_ref().map(|status| status.vm.disk_bytes);
        disk == Some(0)
    }

    /// Whether a start is the command's: it starts a daemon that may not be there, and makes what the first start needs
    /// besides the VM.
    pub(crate) fn starts_by_command(&self) -> bool {
        matches!(self.daemon, Link::Gone { .. } | Link::Looking) || self.is_first_run()
    }

    /// Whether the engine answers, perhaps after the VM was woken for it.
    pub(crate) fn engine_answers(&self) -> bool {
        let vm = self.status.as_ref().map(|status| &status.vm);
        self.daemon == Link::Connected
            && vm.is_some_and(|vm| match vm.state {
                VmState::Running => true,
                VmState::Suspended => vm.asleep,
                _ => false,
            })
    }

    /// Where who sits here reaches a published TCP port: what is published on an address of the network alone does not
    /// listen on `localhost`.
    pub(crate) fn address_of(&self, port: u16) -> String {
        let published: Vec<SocketAddr> = self
            .status
            .iter()
            .flat_map(|status| &status.ports)
            .filter(|one| one.protocol == "tcp" && one.error.is_none())
            .filter_map(|one| one.host.parse().ok())
            .filter(|address: &SocketAddr| address.port() == port)
            .collect();
        let is_local = |address: &SocketAddr| {
            let ip = address.ip();
            ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
        };
        match published.first() {
            Some(address) if !published.iter().any(is_local) => address.to_string(),
            _ => format!("localhost:{port}"),
        }
    }

    /// Whether the engine can be asked without waking a VM that sleeps.
    pub(crate) fn engine_listens(&self) -> bool {
        self.status
            .as_ref()
            .is_some_and(|status| status.vm.state == VmState::Running && !status.vm.asleep)
    }
}

#[cfg(test)]
mod tests {
    use coracle_daemon_api::PortStatus;
    use tokio::sync::mpsc;

    use super::*;
    use crate::fixtures;
    use crate::followed::Followed;

    fn with_disk(bytes: u64) -> View {
        let mut view = fixtures::running();
        view.status.as_mut().unwrap().vm.disk_bytes = bytes;
        view
    }

    #[test]
    fn a_port_is_reached_where_it_listens() {
        let mut view = fixtures::running();
        for (protocol, host) in [
            ("tcp", "0.0.0.0:80"),
            ("tcp", "[::]:80"),
            ("tcp", "192.0.2.7:81"),
            ("udp", "0.0.0.0:81"),
            ("tcp", "192.0.2.7:82"),
            ("tcp", "127.0.0.1:82"),
            ("tcp", "[2001:db8::7]:83"),
            ("tcp", "127.0.0.2:84"),
        ] {
            let (protocol, host) = (protocol.into(), host.into());
            view.status.as_mut().unwrap().ports.push(PortStatus {
                protocol,
                host,
                container: String::new(),
                error: None,
            });
        }
        for (port, address) in [
            (80, "localhost:80"),
            (81, "192.0.2.7:81"),
            (82, "localhost:82"),
            (83, "[2001:db8::7]:83"),
            (84, "127.0.0.2:84"),
            (85, "localhost:85"),
        ] {
            assert_eq!(view.address_of(port), address);
        }
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let before = with_disk(0);
        assert_eq!(before.since(Some(&before)), Map::new());
        let view = View {
            engine_news: 7,
            ..with_disk(1)
        };
        let changed = view.since(Some(&before));
        let mut names: Vec<_> = changed.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["engine_news", "status"]);
        assert_eq!(changed["engine_news"], 7);
        assert_eq!(Value::Object(view.since(None)), json!(view));
    }

    #[tokio::test]
    async fn what_changes_while_the_page_is_busy_comes_together() {
        let (known, views) = watch::channel(with_disk(0));
        let home = tempfile::tempdir().unwrap();
        let paths = coracle_host_paths::HostPaths::at(home.path().into()).unwrap();
        let followed = Followed::new(&paths);
        let (told, mut hears) = mpsc::unbounded_channel();
        let to = move |change: Map<String, Value>| {
            told.send(Value::Object(change)).ok();
            Ok(())
        };
        let number = followed.begin(to, |page| follow(views, page));
        assert_eq!(hears.recv().await, Some(json!(with_disk(0))));
        // Those that it takes, and one more when it has taken one.
        for news in 1..100 {
            known.send_modify(|view| view.engine_news = news);
            tokio::task::yield_now().await;
        }
        let mut last = Value::Null;
        while let Ok(change) = hears.try_recv() {
            last = change;
        }
        assert!(last["engine_news"].as_u64().unwrap() < 99);
        followed.taken(number, 1);
        let change = hears.recv().await.unwrap();
        assert_eq!(change, json!({ "engine_news": 99 }));
    }

    #[test]
    fn the_first_run_is_the_one_without_a_disk() {
        assert!(with_disk(0).is_first_run());
        assert!(!with_disk(64 << 30).is_first_run());
        assert!(!View::default().is_first_run(), "it is not known");
    }

    #[test]
    fn the_command_starts_what_is_not_there() {
        let linked = |daemon| View {
            daemon,
            ..View::default()
        };
        let message = String::new;
        assert!(linked(Link::Gone { message: message() }).starts_by_command());
        assert!(linked(Link::Looking).starts_by_command());
        assert!(!linked(Link::Silent { message: message() }).starts_by_command());
        assert!(!linked(Link::Foreign { message: message() }).starts_by_command());
        assert!(with_disk(0).starts_by_command());
        assert!(!with_disk(64 << 30).starts_by_command());
    }
}
