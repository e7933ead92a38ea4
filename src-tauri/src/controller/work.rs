//! What is done for the loop, in tasks of its own: the loop never waits.

use std::path::{Path, PathBuf};

use coracle_daemon_api::{
    ApiError, Client, ClientError, DebugRequest, DebugStop, DebugWrite, ErrorCode, Progress,
    SnapshotName, Stage, StartOptions, StopOptions,
};
use coracle_host_paths::HostPaths;
use futures::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::{Ended, Report};
use crate::action::Action;
use crate::daemon::sentence;
use crate::engine::Engine;
use crate::launch;
use crate::sample;
use crate::view::Doing;

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
        Action::StartDaemon => Some("starting the daemon"),
        Action::Start => Some("starting"),
        Action::RunSample { .. } => Some("running the sample"),
        Action::Suspend => Some("suspending"),
        Action::ShutDown => Some("shutting down"),
        Action::Restart => Some("restarting"),
        Action::TakeSnapshot { .. } => Some("taking a snapshot"),
        Action::RestoreSnapshot { .. } => Some("restoring a snapshot"),
        Action::DeleteSnapshot { .. } => Some("deleting a snapshot"),
        Action::Debug { .. }
        | Action::Edit { .. }
        | Action::Diagnose
        | Action::StopDebug { .. }
        | Action::Containers { .. }
        | Action::Scale { .. }
        | Action::Update { .. }
        | Action::Node { .. }
        | Action::Remove { .. }
        | Action::ClearBuildCache => None,
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

    /// Begins an action; its end comes as a result. `number` is that of a long one. `by_command` has a start made by
    /// the command: it starts a daemon too, and makes docker's context.
    pub(super) fn begin(
        &self,
        action: Action,
        number: Option<u64>,
        by_command: bool,
        reply: Option<oneshot::Sender<Ended>>,
    ) {
        let work = self.clone();
        tokio::spawn(async move {
            let ended = work.act(action, number, by_command).await;
            let _ = work.results.send(Report::Ended(number, ended, reply));
        });
    }

    async fn act(&self, action: Action, number: Option<u64>, by_command: bool) -> Ended {
        let each = |progress: &Progress| self.progress(number, progress);
        let named = |name| SnapshotName { name };
        let client = &self.client;
        match action {
            Action::StartDaemon => return launch::daemon().await,
            Action::Start if by_command => return launch::start(each).await,
            Action::RunSample { folder } => {
                let each = |message: &str| self.at(number, None, message);
                return sample::run(Path::new(&folder), self.engine.socket(), each).await;
            }
            Action::Start => client.start(&StartOptions::default(), each).await,
            Action::Suspend => {
                // A shutdown is asked about, and another action.
                let options = StopOptions {
                    suspend_only: true,
                    ..StopOptions::default()
                };
                client.stop(&options, each).await
            }
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
            Action::Containers { ids, verb } => {
                let each = ids.iter().map(|id| self.engine.container(id, verb));
                return join_all(each).await.into_iter().collect();
            }
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
            Action::ClearBuildCache => return self.engine.clear_build_cache().await,
            Action::Debug { target, pid } => {
                let wish = DebugRequest {
                    target,
                    pid,
                    write: None,
                };
                let begun = client.debug(&wish).await;
                return begun.map(drop).map_err(|error| failed(&error));
            }
            Action::Edit { id, folder } => {
                let folder = PathBuf::from(folder);
                let wish = DebugWrite {
                    id: id.into(),
                    folder: folder.clone(),
                };
                let written = client.write_debug(&wish).await;
                let written = written.map_err(|error| failed(&error))?.written;
                return launch::edit(&folder, &written.unwrap_or_default());
            }
            Action::Diagnose => return launch::diagnose().await,
        }
        .map(drop)
        .map_err(|error| failed(&error))
    }

    fn progress(&self, number: Option<u64>, progress: &Progress) {
        if let Progress::Stage { stage, message } = progress {
            self.at(number, Some(*stage), message);
        }
    }

    fn at(&self, number: Option<u64>, stage: Option<Stage>, message: &str) {
        if let Some(number) = number {
            let message = message.to_owned();
            let doing = Doing { stage, message };
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
