//! The docker context that points at this Coracle. The current context is never changed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use coracle_host_paths::{HostPaths, find_program, user_home};
use tokio::process::Command;
use tokio::time::timeout;

/// A docker CLI that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the context.
pub(crate) enum Context {
    /// It is there and points at the engine socket; its name.
    Ready(String),
    /// No docker CLI is installed.
    NoDocker,
    /// The docker CLI failed; its words.
    Failed(String),
}

/// Creates or updates the context.
pub(crate) async fn ensure(paths: &HostPaths) -> Context {
    let Some(docker) = find_program("docker") else {
        return Context::NoDocker;
    };
    let name = name(paths.home(), user_home().as_deref());
    let url = host_url(&paths.engine_socket());
    let found = run(
        &docker,
        &[
            "context",
            "inspect",
            "--format",
            "{{.Endpoints.docker.Host}}",
            &name,
        ],
    )
    .await;
    let verb = match found {
        Ok(host) if host == url => return Context::Ready(name),
        Ok(_) => "update",
        Err(_) => "create",
    };
    let description = format!("Coracle ({})", paths.home().display());
    let host = format!("host={url}");
    match run(
        &docker,
        &[
            "context",
            verb,
            "--description",
            &description,
            "--docker",
            &host,
            &name,
        ],
    )
    .await
    {
        Ok(_) => Context::Ready(name),
        Err(words) => Context::Failed(words),
    }
}

/// The engine socket as `DOCKER_HOST` wants it.
pub(crate) fn host_url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

/// `coracle` for the default state folder, `coracle-<its name>` for another, with what
/// docker does not allow in a name left out.
fn name(home: &Path, user_home: Option<&Path>) -> String {
    if user_home.is_some_and(|user| user.join(".coracle") == home) {
        return "coracle".into();
    }
    let base = home.file_name().unwrap_or(OsStr::new("root"));
    let base: String = base
        .to_string_lossy()
        .trim_matches('.')
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c,
            '.' | '_' | '+' | '-' => c,
            _ => '-',
        })
        .collect();
    format!("coracle-{base}")
}

/// Runs the docker CLI without the environment that would choose another engine.
async fn run(docker: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(docker)
        .args(args)
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output)
        .await
        .map_err(|_| format!("it took longer than {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_named_after_its_state_folder() {
        let user = Some(Path::new("/home/u"));
        assert_eq!(name(Path::new("/home/u/.coracle"), user), "coracle");
        assert_eq!(name(Path::new("/tmp/try one"), user), "coracle-try-one");
        assert_eq!(name(Path::new("/tmp/.hidden"), user), "coracle-hidden");
        assert_eq!(name(Path::new("/root/.coracle"), None), "coracle-coracle");
    }
}
