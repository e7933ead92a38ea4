//! What is done for the loop, in tasks of its own: the loop never waits.

use coracle_daemon_api::{
    ApiError, Client, ClientError, DebugSession, DebugStop, ErrorCode, Progress, Snapshot,
    SnapshotName, StartOptions, StopOptions,
};
use coracle_host_paths::HostPaths;
use tokio::sync::{mpsc, oneshot};

use super::{Ended, Report};
use crate::daemon::sentence;
use crate::engine::Engine;
use crate::launch;
use crate::view::{Action, Doing};

/// What has no events of its own.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) debug_sessions: Vec<DebugSession>,
}

/// Calls daemon and engine.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) client: Client,
    pub(super) engine: Engine,
    results: mpsc::UnboundedSender<Report>,
}

/// What is shown of an action that takes long, before the daemon says more; None for others.
pub(super) fn announcement(action: &Action) -> Option<&'static str> {
    match action {
        Action::Start => Some("starting"),
        Action::Suspend => Some("suspending"),
        Action::ShutDown => Some("shutting down"),
        Action::Restart => Some("restarting"),
        Action::TakeSnapshot { .. } => Some("taking a snapshot"),
        Action::RestoreSnapshot { .. } => Some("restoring a snapshot"),
        Action::DeleteSnapshot { .. } => Some("deleting a snapshot"),
        Action::StopDebug { .. }
        | Action::Container { .. }
        | Action::Scale { .. }
        | Action::Update { .. }
        | Action::Node { .. }
        | Action::Remove { .. }
        | Action::Prune { .. }
        | Action::Refresh => None,
    }
}

impl Work {
    pub(super) fn new(paths: &HostPaths, results: mpsc::UnboundedSender<Report>) -> Self {
        Self {
            client: Client::new(&paths.daemon_socket()),
            engine: Engine::new(&paths.engine_socket()),
            results,
        }
    }

    /// Begins an action; its end comes as a result. `number` is that of a long one.
    pub(super) fn begin(
        &self,
        action: Action,
        number: Option<u64>,
        there_is_a_daemon: bool,
        reply: Option<oneshot::Sender<Ended>>,
    ) {
        let work = self.clone();
        tokio::spawn(async move {
            let ended = work.act(action, number, there_is_a_daemon).await;
            let _ = work.results.send(Report::Ended(number, ended, reply));
        });
    }

    /// Reads what has no events.
    pub(super) fn read_lists(&self) {
        let work = self.clone();
        tokio::spawn(async move {
            let (snapshots, debug_sessions) =
                tokio::join!(work.client.snapshots(), work.client.debug_sessions());
            let lists = Lists {
                snapshots: snapshots.unwrap_or_default(),
                debug_sessions: debug_sessions.unwrap_or_default(),
            };
            let _ = work.results.send(Report::Read(Box::new(lists)));
        });
    }

    async fn act(&self, action: Action, number: Option<u64>, there_is_a_daemon: bool) -> Ended {
        let each = |progress: &Progress| self.progress(number, progress);
        let named = |name| SnapshotName { name };
        let client = &self.client;
        match action {
            Action::Start if !there_is_a_daemon => return launch::start(each).await,
            Action::Start => client.start(&StartOptions::default(), each).await,
            Action::Suspend => client.stop(&StopOptions::default(), each).await,
            Action::ShutDown => {
                let options = StopOptions {
                    shutdown: true,
                    ..StopOptions::default()
                };
                client.stop(&options, each).await
            }
            Action::Restart => client.restart(&StartOptions::default(), each).await,
            Action::TakeSnapshot { name } => client.take_snapshot(&named(name), each).await,
            Action::RestoreSnapshot { name } => client.restore_snapshot(&named(name), each).await,
            Action::DeleteSnapshot { name } => client.delete_snapshot(&named(name), each).await,
            Action::StopDebug { id } => {
                let which = id.to_string();
                let stopped = client.stop_debug(&DebugStop { which }).await;
                return stopped.map(drop).map_err(|error| failed(&error));
            }
            Action::Container { id, verb } => return self.engine.container(&id, verb).await,
            Action::Scale { service, replicas } => {
                return self.engine.scale(&service, replicas).await;
            }
            Action::Update {
                service,
                image,
                parallelism,
                delay_s,
            } => {
                let engine = &self.engine;
                return engine.update(&service, &image, parallelism, delay_s).await;
            }
            Action::Node { id, availability } => {
                return self.engine.set_availability(&id, availability).await;
            }
            Action::Remove { kind, id } => return self.engine.remove(kind, &id).await,
            Action::Prune { kind } => return self.engine.prune(kind).await,
            Action::Refresh => return Ok(()),
        }
        .map(drop)
        .map_err(|error| failed(&error))
    }

    fn progress(&self, number: Option<u64>, progress: &Progress) {
        if let (Some(number), Progress::Stage { stage, message }) = (number, progress) {
            let doing = Doing {
                stage: Some(*stage),
                message: message.clone(),
            };
            let _ = self.results.send(Report::At(number, doing));
        }
    }
}

/// For a person who has a button and no command line.
pub(crate) fn failed(error: &ClientError) -> ApiError {
    match error {
        ClientError::NotRunning(_) => ApiError::new(
            ErrorCode::DaemonUnreachable,
            "The daemon does not run. Start starts it.",
        ),
        ClientError::Broken(_) => ApiError::new(
            ErrorCode::DaemonUnreachable,
            "The daemon ended before it answered. Start starts it again.",
        ),
        error => {
            let error = error.to_api();
            ApiError::new(error.code, sentence(&error.message))
        }
    }
}
