//! One source of a mount.

use std::path::{Path, PathBuf};

use super::MountPolicy;
use super::resolve::{self, ReadLink, normalise};

/// The engine's own socket in the guest.
const GUEST_SOCKET: &str = "/run/docker.sock";

/// What tools mount as the engine's socket.
const SOCKET_NAMES: [&str; 2] = ["/var/run/docker.sock", GUEST_SOCKET];

/// Folders of the system that mean the VM's own, whole or in part: the kernel's views,
/// devices, modules, and the engine's state, for the tools that watch containers.
const GUEST_FOLDERS: [&str; 6] = [
    "/sys",
    "/proc",
    "/dev",
    "/lib/modules",
    "/usr/src",
    "/var/lib/docker",
];

/// The same for single paths. `/run` itself is here, what lies in it (a user's sockets) not.
const GUEST_PATHS: [&str; 5] = [
    "/run",
    "/var/run",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/os-release",
];

/// What is to be done with a source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    AsWritten,
    Instead(String),
    Refuse(String),
}

/// Applies a policy to sources.
pub(super) struct Judge<'a> {
    read_link: ReadLink<'a>,
    shares: Vec<PathBuf>,
    /// Where the shares lead on the host, in the same order.
    resolved_shares: Vec<PathBuf>,
    private: Vec<PathBuf>,
    sockets: Vec<PathBuf>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(policy: &MountPolicy, read_link: ReadLink<'a>) -> Self {
        let resolve = |path: &Path| {
            let path = normalise(path);
            resolve::on_host(&path, read_link).unwrap_or(path)
        };
        Self {
            read_link,
            shares: policy.shares.iter().map(|path| normalise(path)).collect(),
            resolved_shares: policy.shares.iter().map(|path| resolve(path)).collect(),
            private: policy.private.iter().map(|path| resolve(path)).collect(),
            sockets: policy
                .engine_sockets
                .iter()
                .map(|path| resolve(path))
                .collect(),
        }
    }

    /// Judges a source; what is not an absolute path is a volume's name.
    pub(super) fn source(&self, source: &str) -> Judgement {
        if !source.starts_with('/') {
            return Judgement::AsWritten;
        }
        let path = normalise(Path::new(source));
        let Some(resolved) = resolve::on_host(&path, self.read_link) else {
            return Judgement::Refuse(format!(
                "mount denied: {source} is a symbolic link that leads back to itself"
            ));
        };
        if SOCKET_NAMES.iter().any(|name| path == Path::new(name))
            || self.sockets.contains(&resolved)
        {
            return instead(source, Path::new(GUEST_SOCKET));
        }
        if self.private.iter().any(|own| resolved.starts_with(own)) {
            return Judgement::Refuse(format!(
                "mount denied: {source} belongs to coracle itself and is not shown to containers; \
                 mount another folder"
            ));
        }
        let written_under_share = self.shares.iter().any(|share| path.starts_with(share));
        let home = self
            .shares
            .iter()
            .zip(&self.resolved_shares)
            .find_map(|(share, real)| Some((share, resolved.strip_prefix(real).ok()?)));
        if let Some((share, rest)) = home {
            if written_under_share
                && resolve::in_guest(&path, &self.shares, self.read_link).is_some()
            {
                return Judgement::AsWritten;
            }
            // The guest lacks the links on this way: name the place itself.
            let place: PathBuf = share.components().chain(rest.components()).collect();
            return instead(source, &place);
        }
        if written_under_share {
            return Judgement::Refuse(format!(
                "mount denied: {source} leads through a symbolic link to {}, which is not in a \
                 folder shared with the VM; {}",
                resolved.display(),
                self.remedy(&resolved)
            ));
        }
        if is_guests(&path) {
            return Judgement::AsWritten;
        }
        Judgement::Refuse(format!(
            "mount denied: {source} is not in a folder shared with the VM; {}",
            self.remedy(&path)
        ))
    }

    /// The command that would share `path`, or the folder of a file.
    fn remedy(&self, path: &Path) -> String {
        let folder = match path.parent() {
            Some(parent) if path.is_file() => parent,
            _ => path,
        };
        let mut command = String::from("share it with `coracle config set shares");
        for share in self.shares.iter().map(PathBuf::as_path).chain([folder]) {
            let share = share.to_string_lossy();
            command.push(' ');
            if share.contains(char::is_whitespace) {
                command.push_str(&format!("'{share}'"));
            } else {
                command.push_str(&share);
            }
        }
        command + "`"
    }
}

fn is_guests(path: &Path) -> bool {
    GUEST_FOLDERS.iter().any(|folder| path.starts_with(folder))
        || GUEST_PATHS.iter().any(|own| path == Path::new(own))
}

fn instead(source: &str, path: &Path) -> Judgement {
    match path.to_str() {
        Some(path) if path == source => Judgement::AsWritten,
        Some(path) => Judgement::Instead(path.to_owned()),
        None => Judgement::Refuse(format!(
            "mount denied: {source} leads to a path that is not text in UTF-8; mount it by \
             another name"
        )),
    }
}
