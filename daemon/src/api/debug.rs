//! Debug sessions for clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use coracle_daemon_api::{
    ApiError, DebugPath, DebugRequest, DebugSession, DebugStop, DebugWrite, ErrorCode,
};
use coracle_guest_api::mux::Guests;
use coracle_live_debug::{
    DebugError, DebugErrorKind, Engine, EngineAnswer, Session, Sessions, Wish, editor,
};
use hyper::Method;

use super::Daemon;
use crate::engine;
use crate::event::Request;

/// All sessions.
pub(crate) fn list(sessions: &Sessions) -> Vec<DebugSession> {
    let all = sessions.list();
    all.into_iter().map(|one| tell(one, true)).collect()
}

/// Begins one, or finds it, and writes the editor's configuration where that was asked for.
pub(super) async fn open(daemon: &Daemon, request: DebugRequest) -> Result<DebugSession, ApiError> {
    request.write.as_deref().map_or(Ok(()), check_folder)?;
    daemon.ask(Request::Agent).await??;
    let wish = Wish {
        target: request.target,
        process: request.pid,
    };
    // What a session asks all the time must keep no VM awake.
    let [engine, background] = [false, true].map(|in_background| ByGuest {
        guests: daemon.guests.clone(),
        in_background,
    });
    let sessions = &daemon.debugging;
    let opened = sessions.open(wish, &engine, Arc::new(background)).await;
    let (session, existing) = opened.map_err(api_error)?;
    let write = |folder: PathBuf| write_into(&folder, &session);
    let written = request.write.map(write).transpose()?;
    Ok(DebugSession {
        written,
        ..tell(session, existing)
    })
}

/// Writes the editor's configuration of one.
pub(super) fn write(daemon: &Daemon, wish: &DebugWrite) -> Result<DebugSession, ApiError> {
    check_folder(&wish.folder)?;
    let all = daemon.debugging.list();
    let session = all.into_iter().find(|one| one.id == wish.id);
    let session = session.ok_or_else(|| no_such(&wish.id.to_string()))?;
    let written = Some(write_into(&wish.folder, &session)?);
    Ok(DebugSession {
        written,
        ..tell(session, true)
    })
}

fn check_folder(folder: &Path) -> Result<(), ApiError> {
    if folder.is_absolute() && folder.is_dir() {
        return Ok(());
    }
    let message = format!("{} is no folder", folder.display());
    Err(ApiError::new(ErrorCode::InvalidInput, message))
}

fn write_into(folder: &Path, session: &Session) -> Result<PathBuf, ApiError> {
    editor::write(folder, session)
        .map_err(|error| ApiError::new(ErrorCode::Host, error.to_string()))
}

fn no_such(which: &str) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidInput,
        format!("there is no debug session {which}: `coracle debug list` shows them"),
    )
}

/// Ends those that are meant.
pub(super) async fn stop(daemon: &Daemon, stop: DebugStop) -> Result<Vec<DebugSession>, ApiError> {
    let ended = daemon.debugging.stop(&stop.which).await;
    if ended.is_empty() {
        return Err(no_such(&stop.which));
    }
    Ok(ended.into_iter().map(|one| tell(one, true)).collect())
}

fn tell(session: Session, existing: bool) -> DebugSession {
    DebugSession {
        configuration: session.configuration(),
        id: session.id,
        target: session.target,
        container: session.container,
        pid: session.process.pid,
        command: session.process.command,
        runtime: session.process.runtime,
        address: session.address.to_string(),
        paths: session
            .paths
            .into_iter()
            .map(|one| DebugPath {
                local: one.local,
                remote: one.remote,
            })
            .collect(),
        note: session.process.note,
        existing,
        written: None,
    }
}

fn api_error(error: DebugError) -> ApiError {
    let code = match error.kind {
        DebugErrorKind::Wrong => ErrorCode::InvalidInput,
        DebugErrorKind::Refused => ErrorCode::WrongState,
        DebugErrorKind::Failed => ErrorCode::EngineFailed,
        DebugErrorKind::Host => ErrorCode::Host,
    };
    ApiError::new(code, error.message)
}

/// The engine of the guest that there is.
struct ByGuest {
    guests: Guests,
    in_background: bool,
}

#[async_trait]
impl Engine for ByGuest {
    async fn ask(&self, method: &str, path: &str) -> Result<EngineAnswer, String> {
        let failed = |why: String| format!("the engine could not be asked: {why}");
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|why| failed(why.to_string()))?;
        let mut guest = self.guests.present().ok_or("the VM does not run")?;
        if self.in_background {
            guest = guest.in_background();
        }
        match engine::request(&guest, method, path, Bytes::new()).await {
            Ok((status, body)) => Ok(EngineAnswer {
                status: status.as_u16(),
                body,
            }),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}
