//! Starting a daemon that does not run: the `coracle` command beside this program knows how, and
//! tells what the daemon itself would.

use std::path::PathBuf;
use std::process::Stdio;

use coracle_daemon_api::{ApiError, ErrorCode, Progress};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::daemon::sentence;

/// Starts daemon and VM; `each` sees every line of progress.
pub(crate) async fn start(mut each: impl FnMut(&Progress)) -> Result<(), ApiError> {
    let program = program()?;
    let cannot =
        |error: &std::io::Error| ApiError::host(format!("cannot run {}", program.display()), error);
    let mut child = Command::new(&program)
        .args(["start", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| cannot(&error))?;
    let mut failure = None;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Progress::Failed { error }) => failure = Some(error),
                Ok(progress) => each(&progress),
                Err(error) => tracing::warn!(%error, line, "not a line of progress"),
            }
        }
    }
    let status = child.wait().await.map_err(|error| cannot(&error))?;
    match failure {
        Some(error) => Err(ApiError::new(error.code, sentence(&error.message))),
        None if status.success() => Ok(()),
        None => Err(ApiError::new(
            ErrorCode::Internal,
            format!("`coracle start` ended without a reason ({status})."),
        )),
    }
}

/// `coracle` beside this program.
fn program() -> Result<PathBuf, ApiError> {
    let this = std::env::current_exe().unwrap_or_default();
    let this = this.canonicalize().unwrap_or(this);
    let program = this.with_file_name(format!("coracle{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        return Ok(program);
    }
    Err(ApiError::new(
        ErrorCode::Missing,
        format!(
            "The command is missing: {} should be beside the app. Install both together.",
            program.display()
        ),
    ))
}
