use std::path::{Path, PathBuf};

use anyhow::Result;
use coracle_vm_harness::{Coracle, Outcome, Program};

use crate::images;

/// A running container that has a fresh folder of the host at `/data`.
pub(super) struct Inside<'a> {
    coracle: &'a Coracle,
    id: String,
    folder: PathBuf,
}

impl<'a> Inside<'a> {
    /// Starts it.
    pub(super) fn start(coracle: &'a Coracle, name: &str) -> Result<Self> {
        let image = images::busybox(coracle)?;
        let folder = coracle.work(name)?;
        let mount = format!("{}:/data", folder.display());
        let id = coracle.background([
            "--volume",
            &mount,
            "--workdir",
            "/data",
            image,
            "sleep",
            "10000",
        ])?;
        Ok(Self {
            coracle,
            id,
            folder,
        })
    }

    /// A path on the host below the folder.
    pub(super) fn host(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// A shell script in the container, as root.
    pub(super) fn script(&self, script: &str) -> Program {
        self.script_as("0:0", script)
    }

    /// A shell script in the container, as `uid:gid`.
    pub(super) fn script_as(&self, user: &str, script: &str) -> Program {
        self.coracle
            .docker(["exec", "--user", user, &self.id, "sh", "-c", script])
    }

    /// Runs a script that must succeed.
    pub(super) fn run(&self, script: &str) -> Result<Outcome> {
        self.script(script).ok()
    }

    /// Runs a script that must succeed, and returns what it wrote, trimmed.
    pub(super) fn text(&self, script: &str) -> Result<String> {
        self.script(script).text()
    }
}
