//! The daemon's API: HTTP over its private socket.

mod answer;
pub(crate) mod debug;
mod logs;
mod news;
mod progress;
mod routes;
mod server;
mod shell;
mod swarm;
mod watch;

use coracle_daemon_api::{ApiError, DaemonNews, ErrorCode};
use coracle_file_events::FileEvents;
use coracle_guest_api::mux::Guests;
use coracle_host_paths::HostPaths;
use coracle_live_debug::Sessions;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use crate::event::{Event, Request};
use server::Server;

/// The API while it is served.
pub(crate) struct Api(Server);

impl Api {
    /// Answers on `listener` in the name of `daemon`.
    pub(crate) fn serve(listener: UnixListener, daemon: Daemon) -> Self {
        Self(Server::start(listener, move |request| {
            routes::answer(daemon.clone(), request)
        }))
    }

    /// Accepts no more; connections may finish their answers for a moment.
    pub(crate) async fn end(self) {
        self.0.end().await;
    }
}

/// How connections reach the daemon's loop.
#[derive(Clone)]
pub(crate) struct Daemon {
    events: mpsc::Sender<Event>,
    news: tokio::sync::watch::Receiver<DaemonNews>,
    paths: HostPaths,
    guests: Guests,
    debugging: Sessions,
    file_events: FileEvents,
}

impl Daemon {
    /// `news` holds what is known after each change.
    pub(crate) fn new(
        events: mpsc::Sender<Event>,
        news: tokio::sync::watch::Receiver<DaemonNews>,
        paths: HostPaths,
        guests: Guests,
        debugging: Sessions,
        file_events: FileEvents,
    ) -> Self {
        Self {
            events,
            news,
            paths,
            guests,
            debugging,
            file_events,
        }
    }

    async fn send(&self, request: Request) -> Result<(), ApiError> {
        let sent = self.events.send(Event::Request(request)).await;
        sent.map_err(|_| ended())
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.send(request(reply)).await?;
        answer.await.map_err(|_| ended())
    }
}

fn ended() -> ApiError {
    ApiError::new(ErrorCode::WrongState, "the daemon is ending")
}
