//! Programs of the root file system, run to their end.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::reaper::Reaper;

/// Where programs in the guest look for programs.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of a program's output is kept, in bytes.
const MAX_OUTPUT: u64 = 64 << 10;

/// A program by its absolute path, with a clean environment and no input.
pub(crate) fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .stdin(Stdio::null());
    command
}

/// What a program left.
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its output and error output, trimmed.
    pub(crate) text: String,
}

/// Runs `command` to its end.
pub(crate) async fn output(reaper: &Reaper, command: &mut Command) -> io::Result<Output> {
    let (sender, receiver) = pipe::pipe()?;
    let sender = sender.into_blocking_fd()?;
    command
        .stdout(sender.try_clone()?)
        .stderr(Stdio::from(sender));
    let mut child = reaper.spawn(command)?;
    // The command holds the pipe's writing end; without it the end of the output would not come.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut text = Vec::new();
    let mut limited = receiver.take(MAX_OUTPUT);
    limited.read_to_end(&mut text).await?;
    // Beyond the limit the program is read on, so that it does not block.
    tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink()).await?;
    Ok(Output {
        status: child.exit.wait().await,
        text: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

/// The reading end of a child's pipe.
pub(crate) fn reader(fd: impl Into<OwnedFd>) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(fd.into())
}

/// The writing end of a child's pipe.
pub(crate) fn writer(fd: impl Into<OwnedFd>) -> io::Result<pipe::Sender> {
    pipe::Sender::from_owned_fd(fd.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_and_status_are_both_kept() {
        let _alone = crate::reaper::ONE_REAPER.lock().await;
        let (reaper, _task) = Reaper::start().unwrap();
        let mut command = program("/bin/sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let output = output(&reaper, &mut command).await.unwrap();
        assert_eq!(output.text, "one\ntwo");
        assert_eq!(output.status.code(), Some(3));
    }
}
