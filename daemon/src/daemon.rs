//! The loop that owns the state.

use std::sync::Arc;
use std::time::Duration;

use coracle_daemon_api::{
    ApiError, DaemonNews, ErrorCode, Progress, Reclaimed, SettingChange, SettingsChanged, Stage,
    StartOptions, Status, StopOptions, VmState,
};
use coracle_engine_proxy::{EngineAccess, MountPolicy};
use coracle_file_events::FileEvents;
use coracle_guest_api::mux::{Guests, Opener};
use coracle_live_debug::Sessions;
use coracle_port_forward::Forwarder;
use coracle_vm_driver::Vm;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::api::{self, Api};
use crate::claim::Claim;
use crate::engine::configuration;
use crate::event::{Event, ProgressSender, Request};
use crate::options::Options;
use crate::reclaim;
use crate::settings::{self, Store};
use crate::snapshots::Listed;
use crate::status;
use crate::task::Task;
use crate::vm::{Context, Input, Lifecycle, SnapshotWork, Sockets, check_restorable};
use crate::waiters::{Goal, Waiters};

/// Serves a state folder until a client says quit or `signals` yields; the VM is shut down in
/// order then, and at once when `signals` yields a second time.
///
/// Fails when the settings are broken or a socket is in the way, before anything is started.
pub async fn run(
    claim: Claim,
    options: Options,
    mut signals: mpsc::Receiver<()>,
) -> Result<(), ApiError> {
    let paths = claim.paths().clone();
    let store = Store::new(paths.settings_file(), options.facts.clone());
    let settings = store.load()?;
    let (events, receiver) = mpsc::channel(256);
    let guests = Guests::default();
    let debugging = Sessions::new(guests.clone());
    let file_events = FileEvents::new();
    let (sockets, engine_socket, mut ports, mut files) = {
        let (access, access_now) = watch::channel(EngineAccess::Down {
            message: "the VM is stopped: `coracle start` starts it".into(),
        });
        let (policy, policy_now) = watch::channel(MountPolicy::default());
        let (publish_on, publish_on_now) = watch::channel(settings.publish_on);
        let forwarder = Forwarder::new(guests.clone(), publish_on_now.clone());
        let ports = forwarder.changed();
        let files = file_events.changed();
        let listener = claim.listen(&paths.engine_socket())?;
        let serve = coracle_engine_proxy::serve(listener, access_now, policy_now, publish_on_now);
        let sockets = Sockets {
            access,
            policy,
            publish_on,
            guests: guests.clone(),
            forwarder,
            debugging: debugging.clone(),
            file_events: file_events.clone(),
        };
        (sockets, Task::spawn(serve), ports, files)
    };
    let context = Context::new(paths.clone(), options, settings, sockets, events.clone());
    let lifecycle = Lifecycle::new(context);
    let mut listed = Listed::default();
    let snapshots = listed.now(&lifecycle.context.snapshots);
    let (news, news_now) = watch::channel(status::news(&lifecycle, snapshots));
    let mut sessions = debugging.changed();
    let listener = claim.listen(&paths.daemon_socket())?;
    let api = Api::serve(
        listener,
        api::Daemon::new(
            events.clone(),
            news_now,
            paths,
            guests,
            debugging,
            file_events,
        ),
    );
    let wanted = lifecycle.context.wanted();
    let outside = Task::spawn(async move {
        loop {
            let event = tokio::select! {
                () = wanted.notified() => Event::Wanted,
                Some(()) = signals.recv() => Event::Terminate,
                Ok(()) = ports.changed() => Event::PortsChanged,
                Ok(()) = files.changed() => Event::FilesChanged,
                Ok(()) = sessions.changed() => Event::DebuggingChanged,
                else => return,
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
    });
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        "ready"
    );
    let mut daemon = Daemon {
        lifecycle,
        store,
        listed,
        news,
        waiters: Waiters::default(),
        agent_wanted: Vec::new(),
        events: receiver,
        ending: false,
        terminated: false,
    };
    while !daemon.ending {
        daemon.next().await;
    }
    daemon.finalize(api, engine_socket).await;
    drop(outside);
    claim.remove_sockets();
    tracing::info!("ended");
    Ok(())
}

/// How long the memory may take to the disk before a daemon that ends gives up on it. A session's
/// manager gives two minutes, and a shutdown has to fit into the rest.
const SUSPENDING: Duration = Duration::from_secs(60);

struct Daemon {
    lifecycle: Lifecycle,
    store: Store,
    listed: Listed,
    news: watch::Sender<DaemonNews>,
    waiters: Waiters,
    /// Those who want a way to the guest agent.
    agent_wanted: Vec<oneshot::Sender<Result<Opener, ApiError>>>,
    events: mpsc::Receiver<Event>,
    /// Whether the daemon is about to end.
    ending: bool,
    /// Whether a signal has said so. The first one after a client's word is no impatience: a session that ends sends
    /// both.
    terminated: bool,
}

impl Daemon {
    async fn next(&mut self) {
        // The sender in the context never goes before the loop.
        if let Some(event) = self.events.recv().await {
            self.on(event);
            self.publish();
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Request(request) => self.on_request(request),
            Event::Vm { run, event } => self.lifecycle.feed_event(run, event),
            Event::Restorable {
                name,
                fits,
                progress,
            } => self.restore(&name, fits, progress),
            Event::Vetted {
                wishes,
                refusal,
                reply,
            } => {
                let changed = match refusal {
                    Some(words) => Err(configuration::refused(&wishes, &words)),
                    None => self.change(&wishes),
                };
                let _ = reply.send(changed);
            }
            Event::PortsChanged | Event::FilesChanged | Event::DebuggingChanged => {}
            Event::Wanted => self.lifecycle.feed(Input::Wanted),
            Event::Terminate => (self.ending, self.terminated) = (true, true),
        }
    }

    /// Whoever asks may have gone; then the answer goes nowhere.
    fn on_request(&mut self, request: Request) {
        match request {
            Request::Status(reply) => self.answer_status(reply),
            Request::Start(options, progress) => {
                self.start(&options, progress, Input::Start);
            }
            Request::Restart(options, progress) => {
                self.start(&options, progress, Input::Restart);
            }
            Request::Stop(options, progress) => self.stop(&options, progress),
            Request::Reset(progress) => {
                self.waiters.add(Goal::Empty, progress);
                self.lifecycle.feed(Input::Reset);
            }
            Request::TakeSnapshot(name, progress) => {
                self.snapshot(SnapshotWork::Take(name), progress);
            }
            Request::DeleteSnapshot(name, progress) => {
                self.snapshot(SnapshotWork::Delete(name), progress);
            }
            Request::RestoreSnapshot(name, progress) => self.look_at(name, progress),
            Request::Settings(reply) => {
                let _ = reply.send(self.store.list().map_err(ApiError::from));
            }
            Request::Change(wishes, reply) => self.vet(wishes, reply),
            Request::Reclaim(reply) => self.reclaim(reply),
            Request::Agent(reply) => {
                self.lifecycle.feed(Input::Wanted);
                self.agent_wanted.push(reply);
            }
        }
    }

    fn start(&mut self, options: &StartOptions, progress: ProgressSender, input: Input) {
        let late = match self.take_up(options) {
            Ok(changed) => changed.restart_needed && matches!(input, Input::Start),
            Err(error) => {
                let mut refused = Waiters::default();
                refused.add(Goal::Up, progress);
                return refused.dismiss(&error);
            }
        };
        if late {
            let _ = progress.send(Progress::Stage {
                stage: Stage::Checking,
                message: "The VM has its old sizes until `coracle restart`".into(),
            });
        }
        self.waiters.add(Goal::Up, progress);
        self.lifecycle.feed(input);
    }

    fn stop(&mut self, options: &StopOptions, progress: ProgressSender) {
        let cannot = self.lifecycle.cannot_suspend();
        if let Some(why) = cannot.filter(|_| options.suspend_only) {
            let message = format!(
                "{why} It goes on: `coracle stop --shutdown` shuts it down, which ends its containers."
            );
            let error = ApiError::new(ErrorCode::WrongState, message);
            return drop(progress.send(Progress::Failed { error }));
        }
        self.ending |= options.quit;
        self.waiters.add(Goal::Down, progress);
        self.lifecycle.feed(match options.shutdown {
            true => Input::Shutdown,
            false => Input::Stop,
        });
    }

    fn snapshot(&mut self, work: SnapshotWork, progress: ProgressSender) {
        match self.lifecycle.snapshot(work) {
            Ok(()) => self.waiters.add(Goal::Snapshot, progress),
            Err(error) => drop(progress.send(Progress::Failed { error })),
        }
    }

    /// Whether a snapshot can be restored is found out before anything is given up for it.
    fn look_at(&self, name: String, progress: ProgressSender) {
        let _ = progress.send(Progress::Stage {
            stage: Stage::Checking,
            message: format!("Looking at the snapshot {name}"),
        });
        let context = &self.lifecycle.context;
        let (options, paths) = (context.options.clone(), context.paths.clone());
        let (settings, events) = (context.settings.clone(), context.events());
        tokio::spawn(async move {
            let fits = check_restorable(options, paths, settings, &name).await;
            let event = Event::Restorable {
                name,
                fits,
                progress,
            };
            // A loop that has ended has answered.
            let _ = events.send(event).await;
        });
    }

    fn restore(&mut self, name: &str, fits: Result<(), ApiError>, progress: ProgressSender) {
        let intended = match self.ending {
            true => Err(ending()),
            false => fits.and_then(|()| self.lifecycle.context.snapshots.intend(name)),
        };
        match intended {
            Ok(()) => {
                self.lifecycle.feed(Input::Restore);
                self.waiters.add(Goal::Restored, progress);
            }
            Err(error) => drop(progress.send(Progress::Failed { error })),
        }
    }

    /// Sizes given with a start become settings; then the settings are read anew.
    fn take_up(&mut self, options: &StartOptions) -> Result<SettingsChanged, ApiError> {
        let sizes = [
            options.cpus.map(u64::from),
            options.memory_mib,
            options.disk_gib,
        ];
        let wishes: Vec<_> = settings::SIZES
            .iter()
            .zip(sizes)
            .filter_map(|(key, size)| {
                Some(SettingChange {
                    key: (*key).into(),
                    value: size?.into(),
                })
            })
            .collect();
        self.change(&wishes)
    }

    /// A configuration that a running engine would refuse is not stored.
    fn vet(
        &mut self,
        wishes: Vec<SettingChange>,
        reply: oneshot::Sender<Result<SettingsChanged, ApiError>>,
    ) {
        let context = &self.lifecycle.context;
        let changed = match self.store.would_be(&wishes) {
            Ok(settings) => Some(settings.engine).filter(|new| *new != context.settings.engine),
            // The change has the same error.
            Err(_) => None,
        };
        let (Some(config), Ok((_, opener))) = (changed, self.live()) else {
            let _ = reply.send(self.change(&wishes));
            return;
        };
        let events = context.events();
        tokio::spawn(async move {
            let refusal = configuration::refusal(&opener, &config).await;
            let event = Event::Vetted {
                wishes,
                refusal,
                reply,
            };
            // A loop that has ended has answered.
            let _ = events.send(event).await;
        });
    }

    fn change(&mut self, wishes: &[SettingChange]) -> Result<SettingsChanged, ApiError> {
        let changed = self.store.change(wishes)?;
        self.lifecycle.context.adopt(self.store.load()?);
        let restart_needed =
            !self.lifecycle.is_down() && changed.iter().any(|setting| setting.needs_restart);
        Ok(SettingsChanged {
            changed,
            restart_needed,
        })
    }

    fn live(&self) -> Result<(Arc<dyn Vm>, Opener), ApiError> {
        self.lifecycle.vm().ok_or_else(|| {
            ApiError::new(
                ErrorCode::WrongState,
                "the VM does not run: `coracle start` starts it",
            )
        })
    }

    fn reclaim(&self, reply: oneshot::Sender<Result<Reclaimed, ApiError>>) {
        let context = &self.lifecycle.context;
        let (live, limits) = (self.live(), context.options.limits);
        let data_disk = context.paths.data_disk();
        tokio::spawn(async move {
            let reclaimed = match live {
                Ok(live) => reclaim::reclaim(live, &data_disk, limits).await,
                Err(error) => Err(error),
            };
            let _ = reply.send(reclaimed);
        });
    }

    fn answer_status(&self, reply: oneshot::Sender<Status>) {
        let mut status = status::of(&self.lifecycle);
        // To ask a VM that sleeps would wake it.
        let Some(vm) = self.lifecycle.vm().filter(|_| !status.vm.asleep) else {
            let _ = reply.send(status);
            return;
        };
        let bound = self.lifecycle.context.options.limits.answer;
        tokio::spawn(async move {
            status::complete(&mut status, vm, bound).await;
            let _ = reply.send(status);
        });
    }

    /// Tells clients what has become of it.
    fn publish(&mut self) {
        for (stage, message) in self.lifecycle.context.announcements.drain(..) {
            self.waiters.announce(stage, &message);
        }
        for (goal, error) in std::mem::take(&mut self.lifecycle.context.refusals) {
            match (goal, self.ending) {
                (Goal::Down, true) => self
                    .waiters
                    .announce(Stage::Stopping, &format!("The VM is shut down: {error}")),
                _ => self.waiters.refuse(goal, &error),
            }
        }
        let snapshots = self.listed.now(&self.lifecycle.context.snapshots);
        let news = status::news(&self.lifecycle, snapshots);
        if let Some(outcome) = self.lifecycle.context.snapshot_outcome.take() {
            let outcome = outcome.map(|()| news.status.clone());
            self.waiters.conclude(Goal::Snapshot, &outcome);
        }
        self.waiters.settle(&news.status);
        if !self.lifecycle.is_on_its_way() {
            for reply in std::mem::take(&mut self.agent_wanted) {
                let _ = reply.send(self.live().map(|(_, opener)| opener));
            }
        }
        self.news.send_if_modified(|last| {
            let changed = *last != news;
            *last = news;
            changed
        });
    }

    /// The end, in order and bounded: the VM (at once if the process is asked again), those who
    /// wait, the engine socket, the API's connections.
    async fn finalize(mut self, api: Api, engine_socket: Task) {
        self.waiters.announce(Stage::Stopping, "The daemon ends");
        self.lifecycle.feed(Input::Stop);
        self.publish();
        let limits = self.lifecycle.context.options.limits;
        let suspending = SUSPENDING + limits.sync;
        let bound = Instant::now() + suspending + limits.answer + limits.shutdown + limits.kill;
        while !self.lifecycle.is_down() {
            let event = tokio::select! {
                Some(event) = self.events.recv() => event,
                () = sleep_until(bound) => {
                    tracing::error!("the VM did not end in time");
                    break;
                }
            };
            match event {
                Event::Terminate if self.terminated => {
                    tracing::warn!("asked to end again: the VM is not shut down in order");
                    break;
                }
                // What would bring the VM up again is not done any more.
                Event::Request(
                    Request::Start(_, progress)
                    | Request::Restart(_, progress)
                    | Request::Reset(progress),
                ) => {
                    let mut late = Waiters::default();
                    late.add(Goal::Up, progress);
                    late.dismiss(&ending());
                }
                event => self.on(event),
            }
            // It could not be suspended.
            if self.lifecycle.state() == VmState::Running {
                self.lifecycle.feed(Input::Shutdown);
            }
            self.publish();
        }
        self.waiters.dismiss(&ending());
        drop(engine_socket);
        // With the lifecycle goes whatever is left of the VM.
        drop(self);
        api.end().await;
    }
}

fn ending() -> ApiError {
    ApiError::new(
        ErrorCode::WrongState,
        "the daemon is ending: try again in a moment",
    )
}
