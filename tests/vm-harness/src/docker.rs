//! The engine's clients, set up for the private Coracle.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::{Coracle, Program, eventually};

impl Coracle {
    /// The docker CLI.
    pub fn docker<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Program {
        self.program(self.docker_program()).args(args)
    }

    /// Compose as the CLI's plugin: `docker compose …`.
    pub fn compose<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Program {
        self.docker(["compose"]).args(args)
    }

    /// Compose as a program of its own: `docker-compose …`.
    pub fn docker_compose<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Program {
        self.program(self.places().tools.join("bin/docker-compose"))
            .args(args)
    }

    /// Loads an archive of the samples unless the engine has the image, which is in it.
    pub fn load(&self, archive: &str, image: &str) -> Result<()> {
        let inspect = || self.docker(["image", "inspect", "--format", "{{.Id}}", image]);
        if !inspect().run()?.status.success() {
            let file = self.places().samples.join(archive);
            ensure!(
                file.is_file(),
                "{} is missing: run `cargo xtask samples`",
                file.display()
            );
            self.docker(["load", "--input"]).arg(&file).ok()?;
            inspect().ok()?;
        }
        Ok(())
    }

    /// Runs a container in the background, and returns its id.
    pub fn background<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String> {
        self.docker(["run", "--detach"]).args(args).text()
    }

    /// Removes all containers.
    pub fn remove_containers(&self) -> Result<()> {
        let ids = self.docker(["ps", "--all", "--quiet"]).text()?;
        let ids: Vec<_> = ids.lines().collect();
        // A few at a time: the command asks for all it is given at once, and the engine gives each
        // ten seconds.
        for some in ids.chunks(8) {
            self.docker(["rm", "--force", "--volumes"])
                .args(some)
                .ok()?;
        }
        Ok(())
    }

    /// Waits until a container's log has the text.
    pub fn await_log(&self, container: &str, text: &str) -> Result<()> {
        eventually(&format!("{text:?} in the log of {container}"), || {
            let log = self.docker(["logs", container]).ok()?.all();
            ensure!(log.contains(text), "the log is\n{log}");
            Ok(())
        })
    }

    /// A program with the engine's address and the private configuration.
    pub(crate) fn with_docker(&self, program: Program) -> Program {
        let mut address = std::ffi::OsString::from("unix://");
        address.push(self.paths().engine_socket());
        program
            .env("DOCKER_HOST", address)
            .env("DOCKER_CONFIG", self.docker_config())
    }

    /// A configuration folder that has our plugins and nothing of the person's.
    pub(crate) fn prepare_docker(&self) -> Result<()> {
        let folder = self.docker_config();
        let plugins = self.places().tools.join("cli-plugins");
        fs::create_dir_all(&folder)?;
        symlink(&plugins, folder.join("cli-plugins"))
            .with_context(|| format!("cannot link {}", plugins.display()))
    }

    fn docker_config(&self) -> PathBuf {
        self.home().join(".docker")
    }

    fn docker_program(&self) -> PathBuf {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain([self.places().tools.join("bin")])
            .map(|folder| folder.join("docker"))
            .find(|file| file.is_file())
            .unwrap_or_else(|| "docker".into())
    }
}
