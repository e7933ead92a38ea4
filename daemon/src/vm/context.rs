use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use coracle_daemon_api::{ApiError, Stage};
use coracle_engine_proxy::{EngineAccess, MountPolicy};
use coracle_file_events::FileEvents;
use coracle_guest_api::HelloReply;
use coracle_guest_api::mux::{Guests, Opener};
use coracle_guest_api::status::AgentStatus;
use coracle_host_paths::HostPaths;
use coracle_live_debug::Sessions;
use coracle_port_forward::Forwarder;
use coracle_vm_driver::{HostSupport, VmUsage};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep};

use super::Input;
use super::machine::Deadline;
use crate::disks;
use crate::event::{Event, Reporter, RunEvent};
use crate::idle::Idle;
use crate::memory::SavedMemory;
use crate::options::Options;
use crate::settings::Settings;
use crate::snapshots::Snapshots;
use crate::task::Task;
use crate::waiters::Goal;

/// What the states share.
pub(crate) struct Context {
    pub(crate) paths: HostPaths,
    pub(crate) options: Options,
    /// As last read; a VM that is started by itself gets the same again.
    pub(crate) settings: Settings,
    /// Told by who uses a VM that was suspended because nobody did.
    wanted: Arc<Notify>,
    /// What of them counts at once.
    idle: watch::Sender<Idle>,
    pub(crate) sockets: Sockets,
    pub(crate) facts: Facts,
    /// What clients that wait should hear; the loop takes it.
    pub(crate) announcements: Vec<(Stage, String)>,
    /// Why a wish came to nothing; the loop tells those who wait for it.
    pub(crate) refusals: Vec<(Goal, ApiError)>,
    /// A wish for a VM that is just being resumed, for when it is up.
    pub(super) when_up: Option<Input>,
    /// Of a suspended VM.
    pub(crate) memory: SavedMemory,
    pub(crate) snapshots: Snapshots,
    /// What has become of the work on a snapshot; the loop tells those who wait for it.
    pub(crate) snapshot_outcome: Option<Result<(), ApiError>>,
    /// What the next start should say of the end before it.
    pub(super) unfinished: Option<&'static str>,
    /// When it ended by itself since a person started it.
    pub(super) crashes: VecDeque<Instant>,
    /// Whether the engine has answered since a person started it.
    pub(super) was_up: bool,
    events: mpsc::Sender<Event>,
    run: u64,
    deadlines: u64,
    sessions: u64,
}

/// Where the VM meets the rest of the daemon.
pub(crate) struct Sockets {
    pub(crate) access: watch::Sender<EngineAccess>,
    pub(crate) policy: watch::Sender<MountPolicy>,
    /// Where ports are published that name no address.
    pub(crate) publish_on: watch::Sender<Option<IpAddr>>,
    /// The guest of the moment, as forwarder and debugging find it.
    pub(crate) guests: Guests,
    pub(crate) forwarder: Forwarder,
    pub(crate) debugging: Sessions,
    pub(crate) file_events: FileEvents,
}

/// What is known.
#[derive(Default)]
pub(crate) struct Facts {
    /// What the driver found; once known it stays.
    pub(crate) host: Option<HostSupport>,
    /// Restarts since a person started it.
    pub(crate) restarts: u32,
    pub(crate) last_error: Option<ApiError>,
    /// Why it is on its way up again; until it is.
    pub(crate) recovering: Option<String>,
    /// Of the VM there is.
    pub(crate) vm: VmFacts,
}

/// What is known of one VM.
#[derive(Default)]
pub(crate) struct VmFacts {
    pub(crate) prepared: Option<Sizes>,
    pub(crate) agent: Option<HelloReply>,
    pub(crate) engine: Option<String>,
    /// Why the engine does not answer.
    pub(crate) engine_note: Option<String>,
    pub(crate) guest: Option<Box<AgentStatus>>,
    /// Nobody uses it, and its processors stand still until somebody does.
    pub(crate) asleep: bool,
    /// What it takes from the host while it is awake, and of the processors in percent of one; as last told.
    pub(crate) taken: Option<(VmUsage, u64)>,
    pub(crate) degraded_vm: Vec<String>,
    pub(crate) degraded_guest: Vec<String>,
}

impl VmFacts {
    /// It works less well; said again, the same sentence counts once.
    pub(super) fn degrade(&mut self, why: String) {
        if !self.degraded_vm.contains(&why) {
            self.degraded_vm.push(why);
        }
    }

    /// What the sentence said is over.
    pub(super) fn recover(&mut self, why: &str) {
        self.degraded_vm.retain(|said| said != why);
    }
}

/// How a VM was made.
#[derive(Clone)]
pub(crate) struct Sizes {
    pub(crate) image: String,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u64,
    pub(crate) shares: Vec<std::path::PathBuf>,
}

impl Context {
    pub(crate) fn new(
        paths: HostPaths,
        options: Options,
        settings: Settings,
        sockets: Sockets,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let memory = SavedMemory::new(&paths);
        let unfinished = memory.tidy().unwrap_or_else(|error| {
            tracing::warn!(%error, "the folder of the VM's memory could not be tidied");
            None
        });
        let snapshots = Snapshots::new(&paths);
        snapshots.tidy();
        Self {
            wanted: Arc::default(),
            idle: watch::Sender::new(settings.idle),
            memory,
            snapshots,
            snapshot_outcome: None,
            unfinished,
            refusals: Vec::new(),
            when_up: None,
            sessions: 0,
            paths,
            options,
            settings,
            sockets,
            facts: Facts::default(),
            announcements: Vec::new(),
            crashes: VecDeque::new(),
            was_up: false,
            events,
            run: 0,
            deadlines: 0,
        }
    }

    /// The number of the present attempt to run a VM.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    pub(super) fn reporter(&self) -> Reporter {
        Reporter {
            run: self.run,
            events: self.events.clone(),
        }
    }

    pub(crate) fn adopt(&mut self, settings: Settings) {
        self.idle.send_replace(settings.idle);
        self.sockets.publish_on.send_if_modified(|address| {
            let changed = *address != settings.publish_on;
            *address = settings.publish_on;
            changed
        });
        self.settings = settings;
    }

    pub(super) fn idle(&self) -> watch::Receiver<Idle> {
        self.idle.subscribe()
    }

    /// Told that a VM is wanted which is [away](Self::vm_is_away).
    pub(crate) fn wanted(&self) -> Arc<Notify> {
        self.wanted.clone()
    }

    /// A way to the loop.
    pub(crate) fn events(&self) -> mpsc::Sender<Event> {
        self.events.clone()
    }

    pub(super) fn announce(&mut self, stage: Stage, message: impl Into<String>) {
        let message = message.into();
        tracing::info!(?stage, "{message}");
        self.announcements.push((stage, message));
    }

    /// Whether a VM that is just being resumed will end once it is up.
    pub(super) fn is_to_stop(&self) -> bool {
        matches!(self.when_up, Some(Input::Stop | Input::Shutdown))
    }

    /// The number of a new session with an agent.
    pub(super) fn session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// A deadline from now on. Those that were set before it are told apart.
    pub(super) fn deadline(&mut self, after: Duration) -> Deadline {
        self.deadlines += 1;
        let (id, reporter) = (self.deadlines, self.reporter());
        let task = Task::spawn(async move {
            sleep(after).await;
            reporter.send(RunEvent::Deadline(id)).await;
        });
        Deadline { id, _task: task }
    }

    pub(super) fn engine_down(&self, message: &str) {
        let message = message.to_owned();
        self.sockets
            .access
            .send_replace(EngineAccess::Down { message });
    }

    pub(super) fn engine_soon(&self, message: &str) {
        let message = message.to_owned();
        self.sockets
            .access
            .send_replace(EngineAccess::Soon { message });
    }

    /// A person starts: what was counted before does not count any more.
    pub(super) fn forgive(&mut self) {
        self.crashes.clear();
        self.was_up = false;
        self.facts.restarts = 0;
        self.facts.last_error = None;
        self.facts.recovering = None;
    }

    /// From now on who uses the VM says so, and waits: engine socket and ports stay open.
    pub(super) fn vm_is_away(&self) {
        self.sockets.guests.away(self.wanted.clone());
        self.sockets.forwarder.keep();
        self.sockets.access.send_replace(EngineAccess::OnDemand {
            wanted: self.wanted.clone(),
            message: "the VM is suspended and on its way back".into(),
        });
    }

    /// From now on connections to its ports go there, and debuggers.
    pub(super) fn vm_is_back(&self, opener: Opener) {
        self.sockets.guests.attach(opener);
    }

    /// The end of a VM, or of the attempt to make one: nothing it reports counts any more,
    /// and nothing that was its own is left. What is suspended stays so.
    pub(super) fn vm_gone(&mut self) {
        self.vm_sleeps();
        if !self.memory.exists() {
            self.sockets.debugging.clear();
            disks::remove_config(&self.paths.config_disk());
        }
    }

    /// As [`vm_gone`](Self::vm_gone), but it will be back, with the secret of its boot and for its debuggers.
    pub(super) fn vm_sleeps(&mut self) {
        self.vm_dozes();
        self.sockets.guests.detach();
        self.sockets.forwarder.clear();
    }

    /// As [`vm_sleeps`](Self::vm_sleeps), with its ports kept.
    pub(super) fn vm_dozes(&mut self) {
        self.run += 1;
        self.facts.vm = VmFacts::default();
    }

    pub(super) fn delete_data(&mut self) {
        let deleted = disks::delete_data(&self.paths.data_disk());
        if let Err(error) = deleted.and_then(|()| self.snapshots.clear()) {
            self.facts.last_error = Some(error);
        }
    }
}
