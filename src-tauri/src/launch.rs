//! Other programs, each in the environment that this one was started in: the `coracle` command beside it, which knows how
//! to start a daemon that does not run and what a report needs, and what the person has for pages, folders and code.

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
    let editors = EDITORS.map(|editor| open::with_command(folder, editor));
    first_that_starts(editors, FAILS_WITHIN).map_err(|error| {
        let written = written.display();
        if error.kind() != io::ErrorKind::NotFound {
            return ApiError::host(
                format!("the configuration is in {written}, but the editor does not open it"),
                &error,
            );
        }
        let message = format!(
            "The configuration is in {written}, but no editor was found to open it: install VS Code's command `code`, \
             or open the folder yourself."
        );
        ApiError::new(ErrorCode::Missing, message)
    })
}

/// Another program.
pub(crate) fn command(program: &Path) -> process::Command {
    without(process::Command::new(program), platform::own_variables())
}

/// Opens a page or a folder with the program that the person has for it, and that outlives this one.
pub(crate) fn open(target: impl AsRef<OsStr>) -> io::Result<()> {
    first_that_starts(open::commands(target), FAILS_WITHIN)
}

/// What fails does so within this. A program that shows something may stay for hours.
const FAILS_WITHIN: Duration = Duration::from_millis(250);

/// Starts the first of these that does not fail within a time. Fails with why the first did of those that are
/// installed: it is the desktop's own.
fn first_that_starts(
    commands: impl IntoIterator<Item = process::Command>,
    within: Duration,
) -> io::Result<()> {
    let mut why = None;
    for command in commands {
        match starts(without(command, platform::own_variables()), within) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => why = why.or(Some(error)),
        }
    }
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no program for it is installed");
    Err(why.unwrap_or_else(missing))
}

fn starts(mut command: process::Command, within: Duration) -> io::Result<()> {
    command.stdin(Stdio::null());
    command.stdout(Stdio::null());
    command.stderr(Stdio::null());
    platform::set_apart(&mut command);
    let mut child = command.spawn()?;
    let until = Instant::now() + within;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Ok(Some(status)) if !status.success() => {
                let program = command.get_program().to_string_lossy();
                return Err(io::Error::other(format!("{program}: {status}")));
            }
            // It has started, even if its end is not told.
            Ok(Some(_)) | Err(_) => return Ok(()),
        }
    }
    // Whoever has started a process takes its end.
    thread::spawn(move || child.wait());
    Ok(())
}

fn without(mut command: process::Command, variables: &[&str]) -> process::Command {
    for name in variables {
        command.env_remove(name);
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

    fn missing() -> process::Command {
        process::Command::new("/nonexistent/opener")
    }

    /// More than a program needs to fail on a busy host.
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn what_fails_leaves_it_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let opened = folder.path().join("opened");
        let writes = format!("touch '{}'", opened.display());
        first_that_starts([missing(), shell("exit 3"), shell(&writes)], LONG).unwrap();
        assert!(opened.exists());
        let failed =
            first_that_starts([missing(), shell("exit 3"), shell("exit 4")], LONG).unwrap_err();
        assert!(failed.to_string().ends_with('3'), "{failed}");
        let failed = first_that_starts([missing()], LONG).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_stays_has_opened_it() {
        let folder = tempfile::tempdir().unwrap();
        let again = folder.path().join("again");
        let writes = format!("touch '{}'", again.display());
        first_that_starts([shell("exec sleep 1"), shell(&writes)], FAILS_WITHIN).unwrap();
        assert!(!again.exists(), "a second program opened it");
    }

    #[test]
    fn a_program_gets_none_of_the_variables() {
        let mut shell = shell("printf %s \"$ONE$TWO\"");
        shell.env("ONE", "1").env("TWO", "2");
        let mut told = without(shell, &["ONE"]);
        assert_eq!(told.output().unwrap().stdout, b"2");
    }
}
