//! Connections, each on a task of its own: a panic ends that one and no other.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use crate::task::Task;

/// How long connections may take to finish their answers at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Accepts until it is ended; dropping it ends all connections at once.
pub(super) struct Server {
    task: Task,
    stop: CancellationToken,
    done: CancellationToken,
}

impl Server {
    /// Answers each request by `service`.
    pub(super) fn start<S, F>(listener: UnixListener, service: S) -> Self
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let (stop, done) = (CancellationToken::new(), CancellationToken::new());
        let task = Task::spawn(accept(listener, service, stop.clone(), done.clone()));
        Self { task, stop, done }
    }

    /// Accepts no more and lets the connections finish, for a bounded time.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if timeout(LAST_ANSWERS, self.done.cancelled()).await.is_err() {
            tracing::debug!("clients that still listened are cut off");
        }
        drop(self.task);
    }
}

async fn accept<S, F>(
    listener: UnixListener,
    service: S,
    stop: CancellationToken,
    done: CancellationToken,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, service.clone(), stop.clone()));
                }
                Err(error) => {
                    // Most likely too many open files, which takes a moment to change.
                    tracing::warn!(%error, "a client was not accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(ended) = connections.join_next() => report(ended),
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
    done.cancel();
}

async fn connection<S, F>(stream: UnixStream, service: S, stop: CancellationToken)
where
    S: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = service(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a client's connection broke");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection of the API ended by a defect");
    }
}

#[cfg(test)]
mod tests {
    use coracle_daemon_api::{Client, ClientError, Hello};

    use super::*;
    use crate::api::answer;

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let server = Server::start(
            UnixListener::bind(&socket).unwrap(),
            |request: Request<Incoming>| async move {
                assert!(request.uri().path().ends_with("hello"), "a defect");
                let hello = Hello {
                    api: coracle_daemon_api::API_VERSION,
                    version: "0".into(),
                    pid: 1,
                };
                answer::json(&hello).unwrap()
            },
        );
        let client = Client::new(&socket);
        for _ in 0..3 {
            let broken = client.status().await.unwrap_err();
            assert!(matches!(broken, ClientError::Broken(_)), "{broken}");
            assert_eq!(client.hello().await.unwrap().pid, 1);
        }
        server.end().await;
        let gone = client.hello().await.unwrap_err();
        assert!(matches!(gone, ClientError::NotRunning(_)), "{gone}");
    }
}
