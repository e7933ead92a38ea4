use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use coracle_host_paths::HostPaths;
use serde_json::Value;

use crate::{Places, Program, cleanup, eventually};

/// Memory of the test's VM in MiB: enough for an image of 500 MB to pass through the page cache.
const MEMORY: &str = "3072";

/// A private Coracle that runs until this is dropped.
#[derive(Debug)]
pub struct Coracle {
    folder: PathBuf,
    paths: HostPaths,
    places: Places,
    image: Mutex<PathBuf>,
}

impl Coracle {
    /// One without a VM: nothing runs yet.
    pub fn unstarted() -> Result<Self> {
        Self::of(Places::find()?)
    }

    /// One of what lies in these places; nothing runs yet.
    pub fn of(places: Places) -> Result<Self> {
        let folder = cleanup::folder()?;
        cleanup::register(&folder);
        let coracle = Self {
            paths: HostPaths::at(folder.join(".coracle"))?,
            image: Mutex::new(places.image.clone()),
            folder,
            places,
        };
        coracle.prepare()?;
        Ok(coracle)
    }

    /// Boots one with the driver that `CORACLE_TEST_DRIVER` names, and waits for its engine.
    pub fn boot() -> Result<Self> {
        let coracle = Self::unstarted()?;
        coracle
            .coracle(["start", "--memory", MEMORY])
            .ok()
            .with_context(|| coracle.logs(40))?;
        coracle.check_driver()?;
        Ok(coracle)
    }

    /// The folder that plays the user's home; it is shared, and the state lies masked in it.
    pub fn home(&self) -> &Path {
        &self.folder
    }

    /// A fresh empty folder in a share.
    pub fn work(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join("work").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The state folder's layout.
    pub fn paths(&self) -> &HostPaths {
        &self.paths
    }

    /// Where programs, images and the checkout are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The `coracle` command.
    pub fn coracle<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Program {
        self.program(self.places.programs.join("coracle"))
            .args(args)
    }

    /// A program in the environment of this Coracle's user.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Program {
        let image = self.image.lock().map(|image| image.clone());
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":");
        path.push(self.places.tools.join("bin"));
        let mut program = Program::new(program)
            .env("HOME", &self.folder)
            .env("PATH", path)
            .env("CORACLE_HOME", self.paths.home())
            .env("CORACLE_TOOLS_DIR", &self.places.tools)
            .env(
                "CORACLE_IMAGE_DIR",
                image.unwrap_or_else(|_| self.places.image.clone()),
            );
        for name in [
            "DOCKER_CONTEXT",
            "DOCKER_HOST",
            "DOCKER_TLS_VERIFY",
            "DOCKER_BUILDKIT",
        ] {
            program = program.env_remove(name);
        }
        self.with_docker(program)
    }

    /// The status as `coracle status --json` gives it.
    pub fn status(&self) -> Result<Value> {
        let outcome = self.coracle(["status", "--json"]).run()?;
        serde_json::from_slice(&outcome.stdout)
            .with_context(|| format!("status is not JSON: {}", outcome.all()))
    }

    /// Waits until VM and engine are up (again), and the engine answers.
    pub fn await_running(&self) -> Result<Value> {
        eventually("a running engine", || {
            let status = self.status()?;
            ensure!(
                status["vm"]["state"] == "running" && status["engine"]["ready"] == true,
                "status is {status}"
            );
            self.docker(["version", "--format", "{{.Server.Version}}"])
                .ok()?;
            Ok(status)
        })
    }

    /// Has the next start use another image.
    pub fn use_image(&self, folder: &Path) {
        if let Ok(mut image) = self.image.lock() {
            folder.clone_into(&mut image);
        }
    }

    /// The process id of the daemon, from its lock file.
    pub fn daemon(&self) -> Result<u32> {
        let file = self.paths.lock_file();
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        text.trim()
            .parse()
            .with_context(|| format!("no process id in {}: {text:?}", file.display()))
    }

    /// The last lines of every log, for a person who looks at a failure.
    pub fn logs(&self, lines: usize) -> String {
        let tail = |file: PathBuf| {
            let bytes = fs::read(&file).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<_> = text.lines().collect();
            let last = all[all.len().saturating_sub(lines)..].join("\n");
            format!(
                "--- {}\n{last}\n",
                file.file_name().unwrap_or_default().to_string_lossy()
            )
        };
        [
            self.paths.console_log(),
            self.paths.engine_log(),
            self.paths.daemon_log(),
        ]
        .map(tail)
        .concat()
    }

    fn prepare(&self) -> Result<()> {
        fs::create_dir_all(self.folder.join("work"))?;
        self.paths.create()?;
        self.prepare_docker()?;
        // The user's home is shared by default; the checkout need not lie in it.
        let shares = serde_json::json!({ "shares": [self.folder, self.places.checkout] });
        let file = self.paths.settings_file();
        fs::write(&file, shares.to_string()).with_context(|| file.display().to_string())
    }

    fn check_driver(&self) -> Result<()> {
        let wanted = std::env::var("CORACLE_TEST_DRIVER").unwrap_or_else(|_| "qemu".into());
        let status = self.status()?;
        let found = status["host"]["hypervisor"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        let fits = match wanted.as_str() {
            "qemu" => found.starts_with("qemu"),
            other => bail!("CORACLE_TEST_DRIVER={other}: this build has no such driver"),
        };
        ensure!(
            fits,
            "the driver should be {wanted}, and the hypervisor is {found:?}"
        );
        Ok(())
    }
}

impl Drop for Coracle {
    fn drop(&mut self) {
        // In order first, so that the way down is run through too.
        if let Err(error) = self.coracle(["stop", "--quit", "--shutdown"]).ok() {
            eprintln!("the private Coracle did not stop in order: {error:#}");
        }
        cleanup::sweep(&self.folder);
    }
}
