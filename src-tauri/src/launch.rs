//! Other programs: the `coracle` command beside this one, which knows how to start a daemon that does not run and
//! what a report needs, and the person's editor.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{self, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use coracle_daemon_api::{ApiError, ErrorCode, Progress};
use coracle_host_paths::running_program;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::daemon::sentence;
use crate::platform;

/// Starts daemon and VM; `each` sees every line of progress.
pub(crate) async fn start(mut each: impl FnMut(&Progress)) -> Result<(), ApiError> {
    let program = program()?;
    let cannot =
        |error: &std::io::Error| ApiError::host(format!("cannot run {}", program.display()), error);
    let mut child = Command::from(command(&program))
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
    open(&folder).map_err(|error| {
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
    Command::from(command(&program))
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
        .any(|editor| first_that_starts(vec![open::with_command(folder, *editor)]).is_ok());
    opened.then_some(()).ok_or_else(|| {
        let message = format!(
            "The configuration is in {}, but no editor was found to open it: install VS Code's command `code`, or \
             open the folder yourself.",
            written.display()
        );
        ApiError::new(ErrorCode::Missing, message)
    })
}

/// Another program, in the environment that this one was started in.
pub(crate) fn command(program: &Path) -> process::Command {
    as_started(process::Command::new(program))
}

/// Opens a page or a folder with the program that the person has for it, and that outlives this one.
pub(crate) fn open(target: impl AsRef<OsStr>) -> io::Result<()> {
    first_that_starts(open::commands(target))
}

/// What fails does so within this. A program that shows something may stay for hours.
const FAILS_WITHIN: Duration = Duration::from_millis(250);

/// Starts the first of these that does not fail at once. Fails with why the last did of those that are installed.
fn first_that_starts(commands: Vec<process::Command>) -> io::Result<()> {
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for command in commands {
        match starts(as_started(command)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn starts(mut command: process::Command) -> io::Result<()> {
    command.stdin(Stdio::null());
    command.stdout(Stdio::null());
    command.stderr(Stdio::null());
    platform::set_apart(&mut command);
    let mut child = command.spawn()?;
    let until = Instant::now() + FAILS_WITHIN;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let program = command.get_program().to_string_lossy();
                return Err(io::Error::other(format!("{program}: {status}")));
            }
            None if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            None => break,
        }
    }
    // Whoever has started a process takes its end.
    thread::spawn(move || child.wait());
    Ok(())
}

fn as_started(mut command: process::Command) -> process::Command {
    for own in platform::own_variables() {
        command.env_remove(own);
    }
    command
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> process::Command {
        let mut shell = process::Command::new("/bin/sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn what_fails_at_once_leaves_it_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let opened = folder.path().join("opened");
        let writes = format!("touch '{}'", opened.display());
        let missing = || process::Command::new("/nonexistent/opener");
        first_that_starts(vec![missing(), shell("exit 3"), shell(&writes)]).unwrap();
        assert!(opened.exists());
        let never = format!("touch '{}/again'", folder.path().display());
        first_that_starts(vec![shell("exec sleep 2"), shell(&never)]).unwrap();
        assert!(
            !folder.path().join("again").exists(),
            "a second program opened it"
        );
        let failed = first_that_starts(vec![shell("exit 3"), missing()]).unwrap_err();
        assert!(failed.to_string().contains('3'), "{failed}");
        let failed = first_that_starts(vec![missing()]).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    }
}
