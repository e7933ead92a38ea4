//! Where things are on the host.
//!
//! All state is under one folder, `CORACLE_HOME` (default `~/.coracle`), so that
//! several can run side by side; `docs/on-disk-layout.md` describes each file.
//! Image and tools are found relative to the running program.

mod platform;

use std::path::{Path, PathBuf};
use std::{env, io};

/// The longest path that a Unix socket may have on every supported system, in bytes.
pub const MAX_SOCKET_PATH: usize = 103;

/// Why the folders could not be determined.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Neither `CORACLE_HOME` nor a home folder is known.
    #[error("no home folder is known: set HOME or CORACLE_HOME")]
    NoHome,
    /// `CORACLE_HOME` is relative.
    #[error("CORACLE_HOME must be an absolute path, not {0}")]
    Relative(PathBuf),
    /// Its sockets would not fit into a socket address.
    #[error(
        "{0} is too long for Unix sockets ({MAX_SOCKET_PATH} bytes): set CORACLE_HOME to a shorter path"
    )]
    TooLong(PathBuf),
    /// A folder could not be made.
    #[error("cannot make {path}: {source}")]
    Create {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The state folder and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPaths {
    home: PathBuf,
}

impl HostPaths {
    /// From `CORACLE_HOME`, else `~/.coracle`.
    pub fn from_env() -> Result<Self, PathError> {
        match env::var_os("CORACLE_HOME").filter(|v| !v.is_empty()) {
            Some(home) => Self::at(home.into()),
            None => Self::at(user_home().ok_or(PathError::NoHome)?.join(".coracle")),
        }
    }

    /// With an explicit state folder.
    pub fn at(home: PathBuf) -> Result<Self, PathError> {
        if !home.is_absolute() {
            return Err(PathError::Relative(home));
        }
        let paths = Self { home };
        if paths.run_dir().join("virtiofsd-00.sock").as_os_str().len() > MAX_SOCKET_PATH {
            return Err(PathError::TooLong(paths.home));
        }
        Ok(paths)
    }

    /// Makes the folders, mode 0700.
    pub fn create(&self) -> Result<(), PathError> {
        for path in [
            self.home.clone(),
            self.run_dir(),
            self.log_dir(),
            self.vm_dir(),
            self.memory_dir(),
            self.snapshots_dir(),
        ] {
            platform::create_private_dir(&path)
                .map_err(|source| PathError::Create { path, source })?;
        }
        Ok(())
    }

    /// The state folder itself.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Docker's socket.
    pub fn engine_socket(&self) -> PathBuf {
        self.run_dir().join("docker.sock")
    }

    /// The daemon's own API.
    pub fn daemon_socket(&self) -> PathBuf {
        self.run_dir().join("coracled.sock")
    }

    /// What the app's window and its icon in the tray keep; made by the app.
    pub fn app_dir(&self) -> PathBuf {
        self.home.join("app")
    }

    /// Held by the daemon for as long as it lives; contains its process id.
    pub fn lock_file(&self) -> PathBuf {
        self.home.join("coracled.lock")
    }

    /// The settings.
    pub fn settings_file(&self) -> PathBuf {
        self.home.join("settings.json")
    }

    /// Sockets; emptied by each daemon.
    pub fn run_dir(&self) -> PathBuf {
        self.home.join("run")
    }

    /// Logs.
    pub fn log_dir(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The daemon's log.
    pub fn daemon_log(&self) -> PathBuf {
        self.log_dir().join("daemon.log")
    }

    /// The VM's serial console.
    pub fn console_log(&self) -> PathBuf {
        self.log_dir().join("vm.log")
    }

    /// dockerd's log, as the daemon has collected it.
    pub fn engine_log(&self) -> PathBuf {
        self.log_dir().join("engine.log")
    }

    /// The VM's disks.
    pub fn vm_dir(&self) -> PathBuf {
        self.home.join("vm")
    }

    /// The engine's state.
    pub fn data_disk(&self) -> PathBuf {
        self.vm_dir().join("data.raw")
    }

    /// The engine's configuration with which it last came up.
    pub fn engine_config(&self) -> PathBuf {
        self.vm_dir().join("engine.json")
    }

    /// The boot configuration, with its secret.
    pub fn config_disk(&self) -> PathBuf {
        self.vm_dir().join("config.raw")
    }

    /// The memory of a suspended VM.
    pub fn memory_dir(&self) -> PathBuf {
        self.home.join("memory")
    }

    /// A folder for each snapshot.
    pub fn snapshots_dir(&self) -> PathBuf {
        self.home.join("snapshots")
    }
}

/// The VM image for an architecture: `CORACLE_IMAGE_DIR`, else `../image/<arch>`
/// beside the folder of the running program.
pub fn image_dir(arch: &str) -> PathBuf {
    match env::var_os("CORACLE_IMAGE_DIR").filter(|v| !v.is_empty()) {
        Some(dir) => dir.into(),
        None => beside_program("image").join(arch),
    }
}

/// The programs that this project brings along: `CORACLE_TOOLS_DIR`, else `../tools`
/// beside the folder of the running program.
pub fn tools_dir() -> PathBuf {
    match env::var_os("CORACLE_TOOLS_DIR").filter(|v| !v.is_empty()) {
        Some(dir) => dir.into(),
        None => beside_program("tools"),
    }
}

/// A program by name: among the tools, else as found on `PATH` or in the usual system folders.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(tools_dir().join("bin"))
        .chain(env::split_paths(&path))
        .chain(
            [
                "/usr/local/bin",
                "/usr/bin",
                "/usr/sbin",
                "/usr/libexec",
                "/usr/lib/qemu",
            ]
            .map(PathBuf::from),
        )
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// The program that runs, by the name that an installer gives to a newer one too.
pub fn running_program() -> io::Result<PathBuf> {
    env::current_exe().map(replaced)
}

/// Linux says so of a program whose file was replaced or removed since its start.
const DELETED: &str = " (deleted)";

/// Where a program lies that has taken the place of this one.
fn replaced(program: PathBuf) -> PathBuf {
    let before = program.to_str().and_then(|path| path.strip_suffix(DELETED));
    match before {
        Some(path) if !program.exists() => path.into(),
        _ => program,
    }
}

/// The user's home folder.
pub fn user_home() -> Option<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute())
}

fn beside_program(name: &str) -> PathBuf {
    let program = running_program().unwrap_or_default();
    let program = program.canonicalize().unwrap_or(program);
    program
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"))
        .join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_must_be_absolute_and_fit_a_socket_address() {
        assert!(matches!(
            HostPaths::at("x".into()),
            Err(PathError::Relative(_))
        ));
        let long = format!("/{}", "x".repeat(90));
        assert!(matches!(
            HostPaths::at(long.into()),
            Err(PathError::TooLong(_))
        ));
        let paths = HostPaths::at("/a".into()).unwrap();
        assert_eq!(paths.engine_socket(), Path::new("/a/run/docker.sock"));
    }
    #[test]
    fn a_program_that_was_replaced_is_known_by_its_name() {
        let replaced_by = |path: &str| replaced(path.into());
        let (now, before) = ("/nowhere/app", "/nowhere/app (deleted)");
        assert_eq!(replaced_by(before), Path::new(now));
        assert_eq!(replaced_by(now), Path::new(now));
        let folder = tempfile::tempdir().unwrap();
        let named_so = folder.path().join("app (deleted)");
        std::fs::write(&named_so, "").unwrap();
        assert_eq!(replaced(named_so.clone()), named_so);
    }
}
