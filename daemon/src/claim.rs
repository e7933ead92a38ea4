//! Ownership of a state folder: the lock and the sockets.

use std::fs;
use std::path::Path;

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::HostPaths;
use tokio::net::UnixListener;

use crate::platform::{self, StateLock};

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
        paths
            .create()
            .map_err(|error| ApiError::new(ErrorCode::Host, error.to_string()))?;
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
        match platform::is_stale_socket(path).map_err(failed)? {
            Some(true) => fs::remove_file(path).map_err(failed)?,
            Some(false) => {
                return Err(ApiError::new(
                    ErrorCode::Host,
                    format!(
                        "{} is in the way and no socket: move it away, then start again",
                        path.display()
                    ),
                ));
            }
            None => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        platform::make_private(path).map_err(failed)?;
        Ok(listener)
    }

    /// Takes the sockets away; the lock goes with the claim.
    pub(crate) fn remove_sockets(&self) {
        for path in [self.paths.daemon_socket(), self.paths.engine_socket()] {
            if let Ok(Some(true)) = platform::is_stale_socket(&path)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(%error, path = %path.display(), "cannot remove a socket");
            }
        }
    }
}

fn host(verb: &str, path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Host,
        format!("cannot {verb} {}: {error}", path.display()),
    )
}
