//! From paths to actions.

use std::panic::AssertUnwindSafe;

use coracle_daemon_api::{
    API_VERSION, ApiError, ErrorCode, Hello, SettingChange, SnapshotName, paths,
};
use futures::{FutureExt, stream};
use hyper::body::Incoming;
use hyper::{Method, Request as HttpRequest};

use super::answer::{Answer, body, failure, json, lines};
use super::{Daemon, debug, logs, news, progress, shell, swarm, watch};
use crate::event::Request;
use crate::snapshots::Snapshots;

/// Answers one request, whatever happens in it.
pub(super) async fn answer(daemon: Daemon, request: HttpRequest<Incoming>) -> Answer {
    let what = format!("{} {}", request.method(), request.uri().path());
    // Nothing outlives the future but what it was given, which has no state to be torn.
    let answered = AssertUnwindSafe(route(daemon, request))
        .catch_unwind()
        .await;
    let error = match answered {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => error,
        Err(_) => ApiError::new(
            ErrorCode::Internal,
            "a defect of the daemon ended this request: `coracle diagnose` collects what is needed to report it",
        ),
    };
    tracing::info!(what, %error, "a request failed");
    failure(&error)
}

async fn route(daemon: Daemon, request: HttpRequest<Incoming>) -> Result<Answer, ApiError> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    match (method, path.as_str()) {
        (Method::GET, paths::HELLO) => json(&Hello {
            api: API_VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
        }),
        (Method::GET, paths::STATUS) => json(&daemon.ask(Request::Status).await?),
        (Method::GET, paths::EVENTS) => Ok(events(&daemon)),
        (Method::GET, paths::ENGINE_NEWS) => news::answer(&daemon).await,
        (Method::POST, paths::START) => {
            let options = body(request.into_body()).await?;
            progress::answer(&daemon, |progress| Request::Start(options, progress)).await
        }
        (Method::POST, paths::STOP) => {
            let options = body(request.into_body()).await?;
            progress::answer(&daemon, |progress| Request::Stop(options, progress)).await
        }
        (Method::POST, paths::RESTART) => {
            let options = body(request.into_body()).await?;
            progress::answer(&daemon, |progress| Request::Restart(options, progress)).await
        }
        (Method::POST, paths::RESET) => progress::answer(&daemon, Request::Reset).await,
        (Method::GET, paths::SNAPSHOTS) => json(&Snapshots::new(&daemon.paths).list()?),
        (Method::POST, paths::SNAPSHOTS) => {
            let SnapshotName { name } = body(request.into_body()).await?;
            progress::answer(&daemon, |progress| Request::TakeSnapshot(name, progress)).await
        }
        (Method::POST, paths::SNAPSHOT_RESTORE) => {
            let SnapshotName { name } = body(request.into_body()).await?;
            progress::answer(&daemon, |progress| Request::RestoreSnapshot(name, progress)).await
        }
        (Method::POST, paths::SNAPSHOT_DELETE) => {
            let SnapshotName { name } = body(request.into_body()).await?;
            progress::answer(&daemon, |progress| Request::DeleteSnapshot(name, progress)).await
        }
        (Method::GET, paths::SETTINGS) => json(&daemon.ask(Request::Settings).await??),
        (Method::PATCH, paths::SETTINGS) => {
            let wishes: Vec<SettingChange> = body(request.into_body()).await?;
            json(&daemon.ask(|reply| Request::Change(wishes, reply)).await??)
        }
        (Method::GET, paths::LOGS) => logs::answer(&daemon.paths, request.uri().query()),
        (Method::GET, paths::SWARM) => json(&swarm::status(&daemon).await?),
        (Method::POST, paths::SWARM) => {
            let change = body(request.into_body()).await?;
            json(&swarm::change(&daemon, change).await?)
        }
        (Method::POST, paths::WATCH) => {
            watch::answer(&daemon, body(request.into_body()).await?).await
        }
        (Method::POST, paths::RECLAIM) => json(&daemon.ask(Request::Reclaim).await??),
        (Method::GET, paths::DEBUG) => json(&debug::list(&daemon.debugging)),
        (Method::POST, paths::DEBUG) => {
            let request = body(request.into_body()).await?;
            json(&debug::open(&daemon, request).await?)
        }
        (Method::POST, paths::DEBUG_STOP) => {
            let stop = body(request.into_body()).await?;
            json(&debug::stop(&daemon, stop).await?)
        }
        (Method::POST, paths::DEBUG_WRITE) => {
            let write = body(request.into_body()).await?;
            json(&debug::write(&daemon, &write)?)
        }
        (Method::POST, paths::SHELL) => shell::answer(&daemon, request).await,
        (method, path) => Err(ApiError::new(
            ErrorCode::InvalidInput,
            format!("the API has no {method} {path}"),
        )),
    }
}

/// What is known now and after each change; ends with the daemon.
fn events(daemon: &Daemon) -> Answer {
    let mut news = daemon.news.clone();
    news.mark_changed();
    lines(stream::unfold(news, |mut news| async move {
        news.changed().await.ok()?;
        let now = news.borrow_and_update().clone();
        Some((now, news))
    }))
}
