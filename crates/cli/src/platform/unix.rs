use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, setsid};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use std::os::unix::fs::symlink;

use super::Probe;

/// Where the docker CLI looks for plugins besides the user's own folder.
pub(crate) const DOCKER_PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// Where programs look for Docker that were not told of another place.
pub(crate) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Whether this program may do everything.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether something listens at a socket.
pub(crate) fn connect(socket: &Path) -> io::Result<()> {
    UnixStream::connect(socket).map(drop)
}

/// Whether a file is a socket.
pub(crate) fn is_socket(file: &Metadata) -> bool {
    file.file_type().is_socket()
}

/// Lets everybody read a file, and its owner write it.
pub(crate) fn let_all_read(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, Permissions::from_mode(0o644))
}

/// Starts a program that outlives this one and its terminal: a session of its own,
/// `/` as its folder, its output appended to `log`.
pub(crate) fn spawn_detached(program: &Path, log: &Path) -> io::Result<Child> {
    let log = append_private_file(log)?;
    let mut command = Command::new(program);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // SAFETY: between fork and exec only the system call setsid is made; it is
    // async-signal-safe and touches no memory of this process.
    unsafe {
        command.pre_exec(|| setsid().map(drop).map_err(io::Error::from));
    }
    command.spawn()
}

/// Whether a process of that id exists.
pub(crate) fn process_runs(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

/// Makes (or empties) a file that only its owner may read.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Opens a file to write at its end, made if need be so that only its owner may read it.
pub(crate) fn append_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Runs `editor`, a command line as in `$EDITOR`, on a file.
pub(crate) fn editor(editor: &str, file: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file);
    command
}

/// Changes of the terminal's size.
pub(crate) struct TerminalResizes(Signal);

impl TerminalResizes {
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::window_change()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Requests from outside that this program end; while someone listens they do not end it at once.
pub(crate) struct EndRequests {
    signals: [(Signal, SignalKind); 3],
}

impl EndRequests {
    pub(crate) fn new() -> io::Result<Self> {
        let listen = |kind| Ok::<_, io::Error>((signal(kind)?, kind));
        Ok(Self {
            signals: [
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
                listen(SignalKind::interrupt())?,
            ],
        })
    }

    /// Waits for one and returns the exit code that tells of it.
    pub(crate) async fn next(&mut self) -> u8 {
        let [terminate, hangup, interrupt] = &mut self.signals;
        let kind = tokio::select! {
            _ = terminate.0.recv() => terminate.1,
            _ = hangup.0.recv() => hangup.1,
            _ = interrupt.0.recv() => interrupt.1,
        };
        128 + kind.as_raw_value() as u8
    }
}

const QEMU: &str = if cfg!(target_arch = "aarch64") {
    "qemu-system-aarch64"
} else {
    "qemu-system-x86_64"
};

/// What a diagnosis asks of this host, by the names of its files. What another Unix lacks is recorded
/// as missing. The host's name is left out.
pub(crate) fn probes(home: &Path) -> Vec<(&'static str, Probe)> {
    let version = |program| Probe::Command(program, vec!["--version".into()]);
    vec![
        ("uname", Probe::Command("uname", vec!["-srvm".into()])),
        ("os-release", Probe::File("/etc/os-release")),
        ("qemu", version(QEMU)),
        ("virtiofsd", version("virtiofsd")),
        ("docker", version("docker")),
        ("docker-compose", version("docker-compose")),
        ("kvm", Probe::Device("/dev/kvm")),
        (
            "disk-space",
            Probe::Command("df", vec!["-Pk".into(), home.into()]),
        ),
        ("cpu", Probe::Command("lscpu", vec![])),
        ("memory", Probe::File("/proc/meminfo")),
        ("limits", Probe::File("/proc/self/limits")),
        (
            "inotify-watches",
            Probe::File("/proc/sys/fs/inotify/max_user_watches"),
        ),
    ]
}
