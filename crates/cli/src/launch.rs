//! Getting a daemon to talk to.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use coracle_daemon_api::{Client, ClientError, ErrorCode, Hello};
use coracle_host_paths::running_program;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::platform;
use crate::session::Session;

/// A daemon that listens answers its hello at once; one that does not in this time hangs.
const HELLO: Duration = Duration::from_secs(10);
/// From the start of the daemon's process to its hello.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// How many lines of a dead daemon's log the person sees.
const LAST_LINES: usize = 15;

/// Who is there; a daemon that hangs is an error. A socket left over by a dead
/// daemon is [`ClientError::NotRunning`].
pub(crate) async fn hello(client: &Client) -> Result<Hello, ClientError> {
    within_patience(client).await?
}

/// Fails where something listens and says nothing; who it is does not matter.
pub(crate) async fn answers(client: &Client) -> Result<(), ClientError> {
    within_patience(client).await.map(drop)
}

/// What the hello came to, if it came.
async fn within_patience(client: &Client) -> Result<Result<Hello, ClientError>, ClientError> {
    timeout(HELLO, client.hello()).await.map_err(|_| {
        ClientError::Protocol(format!(
            "what listens on {} has said nothing for {} s; end its process and start again",
            client.socket().display(),
            HELLO.as_secs()
        ))
    })
}

/// The daemon if it runs, `None` if it does not.
pub(crate) async fn running(client: &Client) -> Result<Option<Hello>, Failure> {
    match hello(client).await {
        Ok(hello) => Ok(Some(hello)),
        // A daemon that was killed may keep its socket for as long as the disk holds it up.
        Err(ClientError::NotRunning(_) | ClientError::Broken(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Starts the daemon unless it runs already, and waits until it answers.
pub(crate) async fn ensure_daemon(session: &Session) -> Result<Hello, Failure> {
    if let Some(hello) = running(&session.client).await? {
        return Ok(hello);
    }
    session.paths.create()?;
    let log = session.paths.daemon_log();
    let program = daemon_program()?;
    let log_start = announce(&program, &log)
        .map_err(|error| Failure::host(format!("cannot write {}", log.display()), &error))?;
    let deadline = Instant::now() + START;
    let mut child = spawn(&program, &log)?;
    loop {
        if let Some(hello) = running(&session.client).await? {
            return Ok(hello);
        }
        if Instant::now() > deadline {
            return Err(Failure::new(
                ErrorCode::DaemonUnreachable,
                format!(
                    "the daemon was started but has not answered within {} s: see {}",
                    START.as_secs(),
                    log.display()
                ),
            ));
        }
        match child.try_wait()? {
            None => sleep(POLL).await,
            // Another daemon has the lock: on its way up, then its hello comes soon, or on
            // its way down, then the next attempt succeeds.
            Some(status) if status.code() == Some(ErrorCode::AlreadyRunning.exit_code().into()) => {
                sleep(POLL * 10).await;
                if running(&session.client).await?.is_none() {
                    child = spawn(&program, &log)?;
                }
            }
            Some(status) => return Err(died(status, &log, log_start)),
        }
    }
}

/// Says in the log that the daemon is started, and returns the log's length. Where the log cannot be
/// written, the daemon could not say so.
fn announce(program: &Path, log: &Path) -> io::Result<u64> {
    let mut file = platform::append_private_file(log)?;
    writeln!(file, "coracle starts {}", program.display())?;
    Ok(file.metadata()?.len())
}

/// A daemon that ended before it listened: with its reason, as its own sentence if it had one.
fn died(status: ExitStatus, log: &Path, log_start: u64) -> Failure {
    let lines = last_lines(log, log_start);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    let code = code.and_then(ErrorCode::of_exit_code);
    let sentence = lines
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("coracled: "));
    if let (Some(code), Some(sentence)) = (code, sentence) {
        return Failure::new(code, sentence);
    }
    let lines = if lines.is_empty() {
        "it wrote no log".to_owned()
    } else {
        format!("the end of {}:\n{lines}", log.display())
    };
    Failure::new(
        ErrorCode::DaemonUnreachable,
        format!("the daemon did not start ({status}); {lines}"),
    )
}

/// Waits until a daemon that was told to quit is gone, so that the next start finds
/// its folder free. Bounded; false when it still answers.
pub(crate) async fn wait_for_end(session: &Session) -> bool {
    let pid = fs::read_to_string(session.paths.lock_file())
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let deadline = Instant::now() + START;
    while !matches!(
        hello(&session.client).await,
        Err(ClientError::NotRunning(_))
    ) {
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL).await;
    }
    // Nobody may have collected a process that is over: it is not worth a long wait.
    let deadline = Instant::now() + HELLO / 2;
    while pid.is_some_and(platform::process_runs) && Instant::now() < deadline {
        sleep(POLL).await;
    }
    true
}

fn spawn(program: &Path, log: &Path) -> Result<Child, Failure> {
    platform::spawn_detached(program, log)
        .map_err(|error| Failure::host(format!("cannot start {}", program.display()), &error))
}

/// `coracled` beside this program.
fn daemon_program() -> Result<PathBuf, Failure> {
    let this = running_program()?;
    let this = this.canonicalize().unwrap_or(this);
    let daemon = this.with_file_name(format!("coracled{}", std::env::consts::EXE_SUFFIX));
    if daemon.is_file() {
        Ok(daemon)
    } else {
        Err(Failure::new(
            ErrorCode::Missing,
            format!(
                "the daemon is missing: {} should be beside this command; install both together",
                daemon.display()
            ),
        ))
    }
}

/// The last lines that were written to the log since `start`.
fn last_lines(log: &Path, start: u64) -> String {
    let mut text = Vec::new();
    let read = fs::File::open(log).and_then(|mut file| {
        // A log that was rotated meanwhile is shorter than where it began.
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(if start > length { 0 } else { start }))?;
        file.take(1 << 20).read_to_end(&mut text)
    });
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
