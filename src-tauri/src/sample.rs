//! The sample of the first run: a compose project in a folder of the person's choice, run by docker's own command.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Output, Stdio};

use coracle_daemon_api::{ApiError, ErrorCode};
use tokio::process::Command;

use crate::daemon::sentence;

/// The files below the folder.
const FILES: [(&str, &str); 2] = [
    (
        "compose.yaml",
        include_str!("../../examples/first/compose.yaml"),
    ),
    (
        "page/index.html",
        include_str!("../../examples/first/page/index.html"),
    ),
];

/// What `compose.yaml` runs.
const IMAGE: &str = "busybox:stable";

/// Writes what is not there yet and runs it on the engine of `socket`; `each` hears where it is.
pub(crate) async fn run(
    folder: &Path,
    socket: &Path,
    mut each: impl FnMut(&str),
) -> Result<(), ApiError> {
    if !folder.is_absolute() {
        let message = format!(
            "{} is no absolute path: the sample needs a folder as /home/you/sample.",
            folder.display()
        );
        return Err(ApiError::new(ErrorCode::InvalidInput, message));
    }
    each("writing the sample");
    write(folder)?;
    let docker = Docker { folder, socket };
    if !docker.run(&["compose", "version"]).await?.status.success() {
        return Err(missing("Docker's compose plugin"));
    }
    let there = docker.run(&["image", "inspect", IMAGE]).await?;
    if !there.status.success() {
        each("fetching the sample's image");
        let pulled = docker.run(&["pull", "--quiet", IMAGE]).await?;
        if !pulled.status.success() {
            let message = format!(
                "The sample's image {IMAGE} could not be fetched ({}): connect this computer to the internet, or \
                 enter its proxy in the settings, and run the sample again.",
                last_line(&pulled)
            );
            return Err(ApiError::new(ErrorCode::EngineFailed, message));
        }
    }
    each("starting the sample");
    let up = docker.run(&["compose", "up", "--detach"]).await?;
    if up.status.success() {
        return Ok(());
    }
    let message = sentence(&format!("the sample did not start: {}", last_line(&up)));
    Err(ApiError::new(ErrorCode::EngineFailed, message))
}

/// What a person has changed stays.
fn write(folder: &Path) -> Result<(), ApiError> {
    for (name, text) in FILES {
        let file = folder.join(name);
        let written = || {
            if file.exists() {
                return Ok(());
            }
            fs::create_dir_all(file.parent().unwrap_or(folder))?;
            fs::write(&file, text)
        };
        written()
            .map_err(|error| ApiError::host(format!("cannot write {}", file.display()), &error))?;
    }
    Ok(())
}

/// The `docker` command in the sample's folder.
struct Docker<'a> {
    folder: &'a Path,
    socket: &'a Path,
}

impl Docker<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<Output, ApiError> {
        let ran = Command::new("docker")
            .args(arguments)
            .current_dir(self.folder)
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null())
            .output()
            .await;
        ran.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing("Docker's command"),
            _ => ApiError::host("cannot run docker", &error),
        })
    }
}

fn missing(what: &str) -> ApiError {
    let message = format!(
        "{what} is not installed: install docker with its compose plugin (on Debian the packages docker-cli and \
         docker-compose), and run the sample again."
    );
    ApiError::new(ErrorCode::Missing, message)
}

/// Where docker says why.
fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or("no reason was given").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_changed_stays() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let page = folder.path().join("page/index.html");
        fs::write(&page, "mine").unwrap();
        write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), "mine");
        let compose = fs::read_to_string(folder.path().join("compose.yaml")).unwrap();
        assert!(compose.contains(IMAGE), "{compose}");
    }
}
