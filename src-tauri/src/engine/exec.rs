//! Shells in containers.

use std::time::SystemTime;

use bollard::models::ExecConfig;
use bollard::query_parameters::ResizeExecOptionsBuilder;
use coracle_daemon_api::ApiError;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;

use super::{Engine, failed};

/// The container's bash, else whatever its sh is.
const SHELL: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

/// The variable by which the processes of a terminal are found again.
const MARK: &str = "CORACLE_TERMINAL";

/// Keys that end the engine's part of an exec: some that nobody types, because the engine keeps the first one
/// back until it has seen the next, and by default that is Ctrl-P.
const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^,ctrl-@";

/// What the engine writes into a terminal whose program it cannot start.
const NOT_STARTED: &[u8] = b"OCI runtime exec failed";

/// How many letters a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct TerminalSize {
    /// In a line.
    pub(crate) columns: u16,
    /// Lines.
    pub(crate) rows: u16,
}

/// A shell with a terminal in a container.
#[derive(Debug)]
pub(crate) struct Shell {
    engine: Engine,
    container: String,
    exec: String,
    mark: String,
}

impl Engine {
    /// Starts a shell; the bytes of its terminal come and go by the second of the two.
    pub(crate) async fn shell(
        &self,
        container: &str,
        size: TerminalSize,
    ) -> Result<(Shell, TokioIo<Upgraded>), ApiError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mark = format!("{MARK}={}", now.unwrap_or_default().as_nanos());
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            console_size: Some(vec![size.rows.into(), size.columns.into()]),
            detach_keys: Some(DETACH_KEYS.into()),
            env: Some(vec!["TERM=xterm-256color".into(), mark.clone()]),
            cmd: Some(command(SHELL)),
            ..ExecConfig::default()
        };
        let made = self.docker()?.create_exec(container, config).await;
        let exec = made.map_err(failed)?.id;
        let start = json!({
            "Detach": false, "Tty": true, "ConsoleSize": [size.rows, size.columns],
        });
        let terminal = self.upgrade(&format!("/exec/{exec}/start"), &start).await?;
        let shell = Shell {
            engine: self.clone(),
            container: container.to_owned(),
            exec,
            mark,
        };
        Ok((shell, terminal))
    }
}

impl Shell {
    /// Whether the first that a terminal has said is the engine's word that there is no shell.
    pub(crate) fn is_missing(first: &[u8]) -> bool {
        first.starts_with(NOT_STARTED)
    }

    /// The terminal has another size from now on.
    pub(crate) async fn resize(&self, size: TerminalSize) -> Result<(), ApiError> {
        let options = ResizeExecOptionsBuilder::default()
            .h(size.rows.into())
            .w(size.columns.into())
            .build();
        let resized = self.engine.docker()?.resize_exec(&self.exec, options).await;
        resized.map_err(failed)
    }

    /// Whether it still runs. One that the engine does not know any more does not.
    pub(crate) async fn runs(&self) -> Result<bool, ApiError> {
        use bollard::errors::Error::DockerResponseServerError as Refused;
        match self.engine.docker()?.inspect_exec(&self.exec).await {
            Ok(found) => Ok(found.running == Some(true)),
            Err(Refused {
                status_code: 404, ..
            }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Ends what runs in the terminal, as a terminal does that is closed: the engine would let it
    /// run on without one.
    pub(crate) async fn hang_up(&self) -> Result<(), ApiError> {
        let script = hanging_up(&self.mark);
        let config = ExecConfig {
            cmd: Some(command(&script)),
            ..ExecConfig::default()
        };
        let docker = self.engine.docker()?;
        let made = docker.create_exec(&self.container, config).await;
        let options = bollard::exec::StartExecOptions {
            detach: true,
            ..Default::default()
        };
        let exec = made.map_err(failed)?.id;
        let started = docker.start_exec(&exec, Some(options)).await;
        started.map(drop).map_err(failed)
    }
}

/// Hangs up each process that has the mark in its environment, by what a shell has in itself: an image need not have
/// more. `read` leaves out the zeros between the variables.
fn hanging_up(mark: &str) -> String {
    format!(
        "for environ in /proc/[0-9]*/environ; do \
           while IFS= read -r line || [ -n \"$line\" ]; do \
             case $line in *{mark}*) \
               process=${{environ#/proc/}}; kill -HUP \"${{process%/environ}}\"; break;; \
             esac; \
           done < \"$environ\"; \
         done 2>/dev/null"
    )
}

fn command(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_bears_the_mark_is_hung_up_by_a_shell_alone() {
        if !Path::new("/proc/self/environ").exists() {
            eprintln!("skipped: containers are Linux's, and this system has no /proc");
            return;
        }
        let mark = |which| format!("{MARK}_{}_{which}", std::process::id());
        let sleeper = |which| {
            let mut sleeper = Command::new("env");
            // What nohup starts ignores the signal, and so would these.
            sleeper.args(["--default-signal=HUP", "sleep", "20"]);
            // A line end in a variable before it, as people have.
            sleeper.env_clear().env("A", "1\n2");
            let path = std::env::var_os("PATH").unwrap_or_default();
            sleeper.env("PATH", path).env(mark(which), "x").spawn()
        };
        let (mut marked, mut other) = (sleeper(1).unwrap(), sleeper(2).unwrap());
        // A spawn returns a moment before the new program's environment can be read.
        let begun = Instant::now();
        for process in [&marked, &other] {
            let read =
                |file| std::fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap();
            while read("comm") != "sleep\n" || !read("environ").contains(MARK) {
                assert!(begun.elapsed() < Duration::from_secs(10));
                std::thread::yield_now();
            }
        }
        let script = hanging_up(&format!("{}=x", mark(1)));
        let mut shell = Command::new("/bin/sh");
        shell.env("PATH", "/nowhere").args(["-c", &script]);
        assert!(shell.status().is_ok());
        let (ended, goes_on) = (marked.wait().unwrap(), other.try_wait().unwrap());
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(ended.signal(), Some(1));
        assert_eq!(goes_on, None, "it bears another mark");
    }
}
