use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::{find_program, running_program};
use serde::Deserialize;
use tokio::process::Command;

use crate::default_socket::{DefaultSocket, Found, Leads};
use crate::failure::Failure;
use crate::platform;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  coracle default-socket on\n  coracle default-socket status\n  coracle default-socket off"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Have programs find this engine there, now and after each boot; asks for root's rights
    #[command(after_help = "Example:\n  coracle default-socket on")]
    On(Whose),
    /// Take the link away; asks for root's rights
    #[command(after_help = "Example:\n  coracle default-socket off")]
    Off(Whose),
    /// Show whose engine programs find there
    #[command(after_help = "Example:\n  coracle default-socket status --json")]
    Status,
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// The engine's socket, for root who does it for a user
    #[arg(long, hide = true, value_name = "ENGINE_SOCKET")]
    r#for: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    let socket = DefaultSocket::of_this_computer();
    let own = session.paths.engine_socket();
    let engine = match &args.action {
        Action::Status => own,
        Action::On(Whose { r#for }) | Action::Off(Whose { r#for }) => {
            let on = matches!(args.action, Action::On(_));
            let engine = r#for.clone().unwrap_or(own);
            change(&socket, &engine, on, r#for.is_some()).await?;
            engine
        }
    };
    let found = socket.look(&engine)?;
    match session.output.json {
        true => session.output.json_document(&found)?,
        false => session.output.line(&text(&found))?,
    }
    Ok(0)
}

/// By itself where it is root, and else by a copy of it that is.
async fn change(
    socket: &DefaultSocket,
    engine: &Path,
    on: bool,
    is_named: bool,
) -> Result<(), ApiError> {
    if platform::is_root() {
        // Root's own Coracle is hardly meant.
        if !is_named && ["SUDO_UID", "PKEXEC_UID"].map(std::env::var_os) != [None, None] {
            return Err(ApiError::new(
                ErrorCode::InvalidInput,
                "run it as yourself, without sudo: it asks for root's rights when it needs them",
            ));
        }
        return match on {
            true => socket.lead_to(engine),
            false => socket.leave(engine),
        };
    }
    let found = socket.look(engine)?;
    let is_there = (found.leads == Leads::Here, found.after_boot);
    if on && is_there == (true, true) || !on && is_there == (false, false) {
        return Ok(());
    }
    if on {
        socket.check(engine)?;
    }
    as_root(engine, on).await
}

/// Asks the person for root's rights, in the terminal if there is one.
async fn as_root(engine: &Path, on: bool) -> Result<(), ApiError> {
    let asks: &[&str] = match std::io::stdin().is_terminal() {
        true => &["sudo", "pkexec"],
        false => &["pkexec"],
    };
    let host = |tried: &str, error: &std::io::Error| {
        ApiError::new(ErrorCode::Host, format!("{tried}: {error}"))
    };
    let program =
        running_program().map_err(|error| host("cannot tell where this program is", &error))?;
    let verb = if on { "on" } else { "off" };
    let Some(asker) = asks.iter().find_map(|name| find_program(name)) else {
        return Err(ApiError::new(
            ErrorCode::Missing,
            format!(
                "only root may change the link, and there is no {} to ask you for that: as root, run `{} \
                 default-socket {verb} --for {}`",
                asks.join(" or "),
                program.display(),
                engine.display()
            ),
        ));
    };
    let ended = Command::new(&asker)
        .arg(&program)
        .args(["--json", "default-socket", verb, "--for"])
        .arg(engine)
        .stdin(Stdio::inherit())
        .output()
        .await
        .map_err(|error| host(&format!("cannot run {}", asker.display()), &error))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(reason(&ended.stdout, &ended.stderr))
}

/// Why the copy that is root did not do it, or was never run.
fn reason(stdout: &[u8], stderr: &[u8]) -> ApiError {
    #[derive(Deserialize)]
    struct Failed {
        error: ApiError,
    }
    if let Ok(Failed { error }) = serde_json::from_slice(stdout) {
        return error;
    }
    let words = String::from_utf8_lossy(stderr);
    let why = words.lines().map(str::trim).rfind(|line| !line.is_empty());
    ApiError::new(
        ErrorCode::Host,
        format!(
            "root's rights were not given, and nothing was changed: {}",
            why.unwrap_or("no reason was told")
        ),
    )
}

fn text(found: &Found) -> String {
    let Found {
        socket,
        leads,
        to,
        after_boot,
    } = found;
    let socket = socket.display();
    match (leads, to) {
        (Leads::Here, _) => {
            let lasts = match after_boot {
                true => "",
                false => " until this computer boots again",
            };
            format!("{socket} leads to this engine{lasts}.")
        }
        (Leads::Nowhere, _) => format!("No engine is at {socket}."),
        (Leads::Elsewhere, Some(to)) => format!("{socket} leads to {}.", to.display()),
        (Leads::Elsewhere, None) => format!("{socket} is another engine's."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_root_are_told_and_else_those_of_who_asks() {
        let known = br#"{"error": {"code": "wrong-state", "message": "it is of another"}}"#;
        let error = reason(known, b"coracle: it is of another\n");
        assert_eq!(
            error,
            ApiError::new(ErrorCode::WrongState, "it is of another")
        );
        let error = reason(b"", b"pkexec: no agent\n\n");
        assert_eq!(error.code, ErrorCode::Host);
        assert!(error.message.ends_with("pkexec: no agent"), "{error}");
    }
}
