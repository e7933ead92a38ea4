//! virtiofsd: one process per shared folder. The rule of file ownership that its
//! flags make is in `docs/adr/0004-file-ownership.md`.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net as blocking;
use std::path::Path;
use std::time::Duration;

use coracle_vm_driver::{DriverError, Share};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{getegid, geteuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::host::Virtiofsd;
use crate::process::{Process, Program};

/// Files that the guest has open are found again by their names, if they are still the same ones;
/// those that are not give errors to who has them open, instead of failing the resume.
const SUSPENDABLE: [&str; 3] = [
    "--migration-mode=find-paths",
    "--migration-verify-handles",
    "--migration-on-error=guest-error",
];

/// A file server that answers.
pub(crate) struct FileServer {
    pub(crate) process: Process,
    /// The folder, for messages.
    pub(crate) folder: String,
}

/// What a start gives.
pub(crate) struct Started {
    pub(crate) server: FileServer,
    /// QEMU's end of the connection.
    pub(crate) connection: OwnedFd,
    /// What is worse than it should be.
    pub(crate) degraded: Option<String>,
}

/// How the process is shut in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sandbox {
    /// It sees the shared folder alone; an ordinary user needs user namespaces for that.
    Namespace,
    /// Only its system calls are filtered.
    None,
}

/// Starts the server of a share. It is reached over the returned connection alone.
pub(crate) async fn start(
    program: &Virtiofsd,
    share: &Share,
    index: usize,
    runtime_dir: &Path,
) -> Result<Started, DriverError> {
    let mut first_refusal = None;
    for sandbox in [Sandbox::Namespace, Sandbox::None] {
        match attempt(program, share, index, runtime_dir, sandbox).await {
            Ok((process, connection)) => {
                let folder = share.path.display().to_string();
                let degraded = first_refusal.map(|why| {
                    format!(
                        "the file server of {folder} runs without its sandbox, and so without \
                         root's rights over the files in it: allow user namespaces ({why})"
                    )
                });
                return Ok(Started {
                    server: FileServer { process, folder },
                    connection,
                    degraded,
                });
            }
            Err(why) => first_refusal = first_refusal.or(Some(why)),
        }
    }
    Err(DriverError::Start(format!(
        "the file server of {} did not start: {}",
        share.path.display(),
        first_refusal.unwrap_or_default()
    )))
}

/// A sentence where the limit of open files is low: the server of an ordinary
/// user holds one for each file that the guest has in its cache.
pub(crate) fn low_file_limit() -> Option<String> {
    const ENOUGH: u64 = 100_000;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    (most < ENOUGH).then(|| {
        format!(
            "at most {most} shared files can be in use at once: raise the hard limit of open \
             files (`ulimit -Hn`) to {ENOUGH} or more"
        )
    })
}

async fn attempt(
    program: &Virtiofsd,
    share: &Share,
    index: usize,
    runtime_dir: &Path,
    sandbox: Sandbox,
) -> Result<(Process, OwnedFd), String> {
    let io = |error: io::Error| error.to_string();
    let (listener, connection) = connected(&runtime_dir.join("virtiofsd.sock")).map_err(io)?;
    let folder = share.path.to_str().ok_or("its name is not valid UTF-8")?;
    let mut args = arguments(folder, share.read_only, sandbox, listener.as_raw_fd());
    if program.can_be_suspended() {
        args.extend(SUSPENDABLE.map(String::from));
    }
    let process = Process::spawn(Program {
        path: program.program.clone(),
        args,
        inherit: vec![listener.into()],
        log: runtime_dir.join(format!("virtiofsd-{index}.log")),
    })
    .await
    .map_err(io)?;
    match timeout(Duration::from_secs(20), greet(connection)).await {
        Ok(Ok(connection)) => Ok((process, connection)),
        Ok(Err(error)) => {
            process.kill();
            process.wait().await;
            Err(format!("{error}: {}", process.last_words()))
        }
        Err(_) => Err(format!("it did not answer: {}", process.last_words())),
    }
}

/// A listener and a connection to it. The name exists only in between, in a folder that
/// only this user can enter.
fn connected(path: &Path) -> io::Result<(blocking::UnixListener, blocking::UnixStream)> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = blocking::UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let connection = blocking::UnixStream::connect(path);
    fs::remove_file(path)?;
    Ok((listener, connection?))
}

/// Asks for the features, as QEMU will again: an answer means that the server serves.
async fn greet(connection: blocking::UnixStream) -> io::Result<OwnedFd> {
    const GET_FEATURES: u32 = 1;
    const VERSION: u32 = 1;
    connection.set_nonblocking(true)?;
    let mut stream = UnixStream::from_std(connection)?;
    // Request, flags, size of the payload; an answer has 8 bytes of it.
    for word in [GET_FEATURES, VERSION, 0] {
        stream.write_all(&word.to_ne_bytes()).await?;
    }
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).await?;
    if answer[..4] != GET_FEATURES.to_ne_bytes() {
        return Err(io::Error::other("it does not speak vhost-user"));
    }
    let connection = stream.into_std()?;
    connection.set_nonblocking(false)?;
    Ok(connection.into())
}

fn arguments(folder: &str, read_only: bool, sandbox: Sandbox, listener: RawFd) -> Vec<String> {
    let (uid, gid) = (geteuid(), getegid());
    let everyone = u32::MAX;
    let mut args = vec![
        format!("--fd={listener}"),
        format!("--shared-dir={folder}"),
        format!("--translate-uid=squash-guest:0:{uid}:{everyone}"),
        format!("--translate-gid=squash-guest:0:{gid}:{everyone}"),
        match sandbox {
            Sandbox::Namespace => "--sandbox=namespace".into(),
            Sandbox::None => "--sandbox=none".into(),
        },
    ];
    let fixed = [
        "--seccomp=kill",
        "--cache=auto",
        "--inode-file-handles=never",
        "--xattr",
        "--log-level=warn",
        // Raised to the hard limit when it was spawned.
        "--rlimit-nofile=0",
    ];
    args.extend(fixed.map(String::from));
    if read_only {
        args.push("--readonly".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    #[test]
    fn whatever_the_guest_makes_belongs_to_this_user() {
        let args = arguments("/home/someone", false, Sandbox::Namespace, 7).join(" ");
        let uid = geteuid();
        for wanted in [
            format!("--translate-uid=squash-guest:0:{uid}:4294967295"),
            format!("--translate-gid=squash-guest:0:{}:4294967295", getegid()),
            "--fd=7 --shared-dir=/home/someone".into(),
            "--sandbox=namespace".into(),
        ] {
            assert!(args.contains(&wanted), "{args}");
        }
        assert!(!args.contains("--readonly"), "{args}");
        let read_only = arguments("/srv", true, Sandbox::None, 7).join(" ");
        assert!(read_only.contains("--readonly"), "{read_only}");
        assert!(read_only.contains("--sandbox=none"), "{read_only}");
    }

    #[test]
    fn a_connection_leaves_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        fs::write(&path, "left behind").unwrap();
        let (listener, _connection) = connected(&path).unwrap();
        listener.accept().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_program_that_ends_is_reported_with_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("virtiofsd");
        fs::write(&program, "#!/bin/sh\necho no such luck >&2; exit 1\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let share = Share {
            tag: "share0".into(),
            path: dir.path().into(),
            read_only: false,
        };
        let version = Version::of_virtiofsd("virtiofsd 1.13.2").unwrap();
        let program = Virtiofsd { program, version };
        let error = start(&program, &share, 0, dir.path()).await.err().unwrap();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }
}
