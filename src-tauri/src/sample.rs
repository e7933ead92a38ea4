//! The sample of the first run: a compose project in a folder of the person's choice, run by docker's own command.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::find_program;
use tokio::process::Command;

use crate::daemon::sentence;
use crate::launch;

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
    each: impl FnMut(&str),
) -> Result<(), ApiError> {
    // The one that `coracle start` makes the context with and links compose for: ours need not be on the path.
    let program = find_program("docker").ok_or_else(|| missing("Docker's command"))?;
    let docker = Docker {
        program: &program,
        folder,
        socket,
    };
    run_by(&docker, each).await
}

async fn run_by(docker: &Docker<'_>, mut each: impl FnMut(&str)) -> Result<(), ApiError> {
    let folder = docker.folder;
    if !folder.is_absolute() {
        let message = format!(
            "{} is no absolute path: the sample needs a folder as /home/you/sample.",
            folder.display()
        );
        return Err(ApiError::new(ErrorCode::InvalidInput, message));
    }
    each("writing the sample");
    write(folder)?;
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
    program: &'a Path,
    folder: &'a Path,
    socket: &'a Path,
}

impl Docker<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<Output, ApiError> {
        let ran = Command::from(launch::command(self.program))
            .args(arguments)
            .current_dir(self.folder)
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null())
            .output()
            .await;
        ran.map_err(|error| {
            ApiError::host(format!("cannot run {}", self.program.display()), &error)
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_docker_that_was_found_runs_the_sample_at_our_engine() {
        let scratch = tempfile::tempdir().unwrap();
        let (program, folder) = (scratch.path().join("ours"), scratch.path().join("sample"));
        // It has the image already.
        let script = "#!/bin/sh\necho \"$DOCKER_HOST $PWD $*\" >> \"$0.ran\"\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let docker = Docker {
            program: &program,
            folder: &folder,
            socket: Path::new("/h/run/docker.sock"),
        };
        let mut heard = Vec::new();
        let ran = run_by(&docker, |message| heard.push(message.to_owned())).await;
        ran.unwrap();
        assert_eq!(heard, ["writing the sample", "starting the sample"]);
        let ran = fs::read_to_string(scratch.path().join("ours.ran")).unwrap();
        let at = folder.canonicalize().unwrap();
        let up = format!(
            "unix:///h/run/docker.sock {} compose up --detach",
            at.display()
        );
        assert_eq!(ran.lines().last(), Some(&*up));
    }

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
