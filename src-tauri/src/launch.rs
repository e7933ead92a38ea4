//! Other programs: the `coracle` command beside this one, which knows how to start a daemon that does not run and
//! what a report needs, and the person's editor.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use coracle_daemon_api::{ApiError, ErrorCode, Progress};
use coracle_host_paths::running_program;
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

/// Starts the daemon alone, unless it runs: settings are its own.
pub(crate) async fn daemon() -> Result<(), ApiError> {
    run(&["config", "list"]).await
}

/// Writes an archive for a report into the person's home folder, and shows it there.
pub(crate) async fn diagnose() -> Result<(), ApiError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let folder = coracle_host_paths::user_home().unwrap_or_else(std::env::temp_dir);
    let file = folder.join(format!("coracle-diagnose-{now}.tar"));
    run(&["diagnose", "--output", &file.to_string_lossy()]).await?;
    open::that_detached(&folder).map_err(|error| {
        let message = format!(
            "{} is ready, but no program shows the folder",
            file.display()
        );
        ApiError::host(message, &error)
    })
}

/// What the command says as JSON, of a failure too.
pub(crate) async fn ask(arguments: &[&str]) -> Result<Vec<u8>, ApiError> {
    let ended = output(&[arguments, &["--json"]].concat()).await?;
    Ok(ended.stdout)
}

/// The command, without its words but those of a failure.
async fn run(arguments: &[&str]) -> Result<(), ApiError> {
    let ended = output(arguments).await?;
    if ended.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&ended.stderr);
    let why = why.trim().trim_start_matches("Error: ");
    Err(ApiError::new(ErrorCode::Host, sentence(why)))
}

async fn output(arguments: &[&str]) -> Result<Output, ApiError> {
    let program = program()?;
    Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| ApiError::host(format!("cannot run {}", program.display()), &error))
}

/// Opens a folder in the person's editor, for the configuration that was `written` for it.
pub(crate) fn edit(folder: &Path, written: &Path) -> Result<(), ApiError> {
    let opened = EDITORS
        .iter()
        .any(|editor| open::with_detached(folder, *editor).is_ok());
    opened.then_some(()).ok_or_else(|| {
        let message = format!(
            "The configuration is in {}, but no editor was found to open it: install VS Code's command `code`, or \
             open the folder yourself.",
            written.display()
        );
        ApiError::new(ErrorCode::Missing, message)
    })
}

/// Editors that read `launch.json`.
const EDITORS: [&str; 2] = ["code", "codium"];

/// `coracle` beside this program.
fn program() -> Result<PathBuf, ApiError> {
    let this = running_program().unwrap_or_default();
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
