//! Ownership of a state folder: the lock and the sockets.

use std::fs;
use std::path::Path;

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::{HostPaths, PathError};
use tokio::net::UnixListener;

use crate::platform::{self, SocketPlace, StateLock};

/// A state folder that this process owns.
#[derive(Debug)]
pub struct Claim {
    paths: HostPaths,
    _lock: StateLock,
}

impl Claim {
    /// Makes the folder if need be and locks it; [`ErrorCode::AlreadyRunning`] when another
    /// daemon has it. A daemon that is dead is no obstacle.
    pub fn take(paths: HostPaths) -> Result<Self, ApiError> {
        paths.create().map_err(|error| match error {
            PathError::Create { path, source } => host("make", &path, &source),
            error => ApiError::new(ErrorCode::InvalidInput, error.to_string()),
        })?;
        let file = paths.lock_file();
        match StateLock::take(&file).map_err(|error| host("lock", &file, &error))? {
            Ok(lock) => Ok(Self { paths, _lock: lock }),
            Err(holder) => Err(ApiError::new(
                ErrorCode::AlreadyRunning,
                format!(
                    "another daemon (process {holder}) owns {}: `coracle stop --quit` ends it, \
                     CORACLE_HOME chooses another folder",
                    paths.home().display()
                ),
            )),
        }
    }

    pub(crate) fn paths(&self) -> &HostPaths {
        &self.paths
    }

    /// Listens on a socket that only this user may connect to, in place of one that a dead
    /// daemon left. Anything else at `path` is left alone and an error.
    pub(crate) fn listen(&self, path: &Path) -> Result<UnixListener, ApiError> {
        let failed = |error| host("listen on", path, &error);
        let in_the_way = |why| {
            let text = format!("{} is in the way: {why}, then start again", path.display());
            Err(ApiError::new(ErrorCode::Host, text))
        };
        match platform::look_at_socket(path).map_err(failed)? {
            SocketPlace::Free => {}
            SocketPlace::Stale => fs::remove_file(path).map_err(failed)?,
            SocketPlace::Served => {
                return in_the_way("another program listens on it; end that one");
            }
            SocketPlace::NoSocket => return in_the_way("it is not a socket; move it away"),
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        platform::make_private(path).map_err(failed)?;
        Ok(listener)
    }

    /// Takes the sockets away; the lock goes with the claim.
    pub(crate) fn remove_sockets(&self) {
        for path in [self.paths.daemon_socket(), self.paths.engine_socket()] {
            // Listeners of ours may still be on their way to their end.
            if let Ok(SocketPlace::Stale | SocketPlace::Served) = platform::look_at_socket(&path)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(%error, path = %path.display(), "cannot remove a socket");
            }
        }
    }
}

fn host(verb: &str, path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::host(format!("cannot {verb} {}", path.display()), error)
}
