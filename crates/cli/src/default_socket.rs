//! The link at which programs find Docker that look nowhere else. It is the computer's and leads to one user's engine,
//! so that only root may change it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coracle_daemon_api::{ApiError, ErrorCode};
use serde::Serialize;

use crate::platform;

/// Where the link is.
#[derive(Debug)]
pub(crate) struct DefaultSocket {
    link: PathBuf,
    /// What has the system make the link when it boots: `/run` is empty then. None where nothing would read it.
    entry: Option<PathBuf>,
}

/// What is there.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Found {
    /// The link itself.
    pub(crate) socket: PathBuf,
    /// Whose it is.
    pub(crate) leads: Leads,
    /// The end of a link.
    pub(crate) to: Option<PathBuf>,
    /// Whether the system makes our link when it boots.
    pub(crate) after_boot: bool,
}

/// Whose engine programs find.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Leads {
    /// This Coracle's.
    Here,
    /// Another one's.
    Elsewhere,
    /// None.
    Nowhere,
}

impl DefaultSocket {
    /// The one of this computer.
    pub(crate) fn of_this_computer() -> Self {
        Self {
            link: platform::DEFAULT_SOCKET.into(),
            entry: platform::boot_entry(),
        }
    }

    /// What is there, as seen from the engine with this socket.
    pub(crate) fn look(&self, engine: &Path) -> Result<Found, ApiError> {
        let to = match fs::read_link(&self.link) {
            Ok(to) => Some(to),
            // No link. A socket that nobody listens at is what an engine has left that was stopped.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                if self.is_dead() {
                    return Ok(self.found(Leads::Nowhere, None, engine));
                }
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(self.found(Leads::Nowhere, None, engine));
            }
            Err(error) => return Err(self.refused("read", &error)),
        };
        let leads = match &to {
            Some(to) if to == engine => Leads::Here,
            _ => Leads::Elsewhere,
        };
        Ok(self.found(leads, to, engine))
    }

    fn found(&self, leads: Leads, to: Option<PathBuf>, engine: &Path) -> Found {
        Found {
            socket: self.link.clone(),
            leads,
            to,
            after_boot: self.has_entry(engine),
        }
    }

    /// Whether it is a socket, and nobody listens. An engine's that this user may not reach is not known to be dead.
    fn is_dead(&self) -> bool {
        platform::connect(&self.link)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            && fs::metadata(&self.link).is_ok_and(|file| platform::is_socket(&file))
    }

    /// Refuses what [`lead_to`](Self::lead_to) would refuse, as far as this user can know.
    pub(crate) fn check(&self, engine: &Path) -> Result<(), ApiError> {
        let found = self.look(engine)?;
        let is_known = || found.to.is_some() || platform::connect(&self.link).is_ok();
        match found.leads {
            Leads::Elsewhere if is_known() => Err(self.taken(found.to)),
            _ => Ok(()),
        }
    }

    /// Leads it to an engine, now and after each boot. What is another's stays.
    pub(crate) fn lead_to(&self, engine: &Path) -> Result<(), ApiError> {
        let line = self.line(engine)?;
        let found = self.look(engine)?;
        if found.leads == Leads::Elsewhere {
            return Err(self.taken(found.to));
        }
        if let Some(entry) = &self.entry {
            write(entry, &line).map_err(|error| written(entry, &error))?;
        }
        if found.leads == Leads::Here {
            return Ok(());
        }
        let made = removed(&self.link).and_then(|()| platform::symlink(engine, &self.link));
        made.map_err(|error| {
            // Not by half.
            if let Some(entry) = &self.entry {
                let _ = removed(entry);
            }
            self.refused("make", &error)
        })
    }

    fn taken(&self, to: Option<PathBuf>) -> ApiError {
        let what = to.map_or_else(
            || "is of another engine: stop and disable that Docker".to_owned(),
            |to| format!("leads to {}: remove it", to.display()),
        );
        let link = self.link.display();
        ApiError::new(
            ErrorCode::WrongState,
            format!("{link} {what}, then try again"),
        )
    }

    /// Takes away what leads to an engine.
    pub(crate) fn leave(&self, engine: &Path) -> Result<(), ApiError> {
        if self.look(engine)?.leads == Leads::Here {
            fs::remove_file(&self.link).map_err(|error| self.refused("remove", &error))?;
        }
        match &self.entry {
            Some(entry) if self.has_entry(engine) => {
                fs::remove_file(entry).map_err(|error| written(entry, &error))
            }
            _ => Ok(()),
        }
    }

    fn has_entry(&self, engine: &Path) -> bool {
        let text = self.entry.as_ref().map(fs::read_to_string);
        let (Some(Ok(text)), Ok(line)) = (text, self.line(engine)) else {
            return false;
        };
        text == line
    }

    /// A line of tmpfiles.d: made at boot unless something is there.
    fn line(&self, engine: &Path) -> Result<String, ApiError> {
        let path = engine.to_str().filter(|path| {
            engine.is_absolute() && !path.contains(|letter: char| letter.is_control())
        });
        let path = path.ok_or_else(|| {
            ApiError::new(
                ErrorCode::InvalidInput,
                format!(
                    "{engine:?} cannot be led to: it must be an absolute path of printable letters"
                ),
            )
        })?;
        // What systemd would read as an escape or a specifier.
        let path = path.replace('\\', "\\\\").replace('%', "%%");
        // tmpfiles.d wants the folder's own name, and not the one of old.
        let link = self.link.to_string_lossy().replace("/var/run/", "/run/");
        Ok(format!("L {link} - - - - {path}\n"))
    }

    fn refused(&self, tried: &str, error: &io::Error) -> ApiError {
        ApiError::new(
            ErrorCode::Host,
            format!("cannot {tried} {}: {error}", self.link.display()),
        )
    }
}

/// Everybody may read it, whatever root's mask: users look whether it is theirs.
fn write(entry: &Path, line: &str) -> io::Result<()> {
    let part = entry.with_extension("part");
    fs::write(&part, line)?;
    platform::let_all_read(&part)?;
    fs::rename(part, entry)
}

fn removed(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn written(entry: &Path, error: &io::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Host,
        format!(
            "cannot change {}, which keeps the link over a boot: {error}",
            entry.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: &str = r"/home/100% D\me/.coracle/run/docker.sock";

    fn socket(folder: &tempfile::TempDir) -> DefaultSocket {
        DefaultSocket {
            link: folder.path().join("docker.sock"),
            entry: Some(folder.path().join("entry.conf")),
        }
    }

    #[test]
    fn it_leads_here_also_after_a_boot_until_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, engine) = (socket(&folder), Path::new(ENGINE));
        let leads = || {
            let found = socket.look(engine).unwrap();
            (found.leads, found.after_boot)
        };
        assert_eq!(leads(), (Leads::Nowhere, false));
        socket.lead_to(engine).unwrap();
        assert_eq!(leads(), (Leads::Here, true));
        let line = fs::read_to_string(folder.path().join("entry.conf")).unwrap();
        assert!(
            line.ends_with(" - - - - /home/100%% D\\\\me/.coracle/run/docker.sock\n"),
            "{line}"
        );
        socket.lead_to(engine).unwrap();
        socket.leave(engine).unwrap();
        assert_eq!(leads(), (Leads::Nowhere, false));
        socket.leave(engine).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_of_another_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, engine) = (socket(&folder), Path::new(ENGINE));
        let other = Path::new("/home/other/.coracle/run/docker.sock");
        socket.lead_to(other).unwrap();
        let error = socket.lead_to(engine).unwrap_err();
        assert_eq!(error.code, ErrorCode::WrongState);
        assert!(error.message.contains("/home/other/"), "{error}");
        socket.leave(engine).unwrap();
        let found = socket.look(other).unwrap();
        assert_eq!((found.leads, found.after_boot), (Leads::Here, true));

        socket.leave(other).unwrap();
        fs::write(&socket.link, "").unwrap();
        let error = socket.lead_to(engine).unwrap_err();
        assert!(error.message.contains("another engine"), "{error}");
        socket.leave(engine).unwrap();
        assert_eq!(socket.look(engine).unwrap().leads, Leads::Elsewhere);
    }

    #[test]
    fn a_socket_is_of_another_engine_for_as_long_as_it_listens() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, engine) = (socket(&folder), Path::new(ENGINE));
        let listener = std::os::unix::net::UnixListener::bind(&socket.link).unwrap();
        for refused in [socket.check(engine), socket.lead_to(engine)] {
            assert_eq!(refused.unwrap_err().code, ErrorCode::WrongState);
        }
        assert!(!folder.path().join("entry.conf").exists());
        drop(listener);
        assert_eq!(socket.look(engine).unwrap().leads, Leads::Nowhere);
        socket.lead_to(engine).unwrap();
        assert_eq!(socket.look(engine).unwrap().leads, Leads::Here);
    }

    #[test]
    fn a_link_that_cannot_be_made_leaves_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let mut socket = socket(&folder);
        socket.link = folder.path().join("missing/docker.sock");
        socket.lead_to(Path::new(ENGINE)).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_would_be_more_than_a_path_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["relative", "/two\nL /etc/passwd - - - - /tmp/x"] {
            let error = socket(&folder).lead_to(Path::new(bad)).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidInput, "{bad}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
