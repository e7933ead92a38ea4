use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where the things are that a test uses.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of `coracle` and `coracled`.
    pub programs: PathBuf,
    /// The VM image for this architecture.
    pub image: PathBuf,
    /// virtiofsd, compose, buildx.
    pub tools: PathBuf,
    /// Container images as tar files.
    pub samples: PathBuf,
    /// The checkout, of which only `examples` and `tests` are used.
    pub checkout: PathBuf,
}

impl Places {
    /// Looks for everything, and names what is missing with the command that makes it.
    pub fn find() -> Result<Self> {
        let program = env::current_exe().context("cannot tell where the test program lies")?;
        let programs = program.parent().unwrap_or(Path::new("/")).to_owned();
        let places = Self {
            image: coracle_host_paths::image_dir(env::consts::ARCH),
            tools: coracle_host_paths::tools_dir(),
            samples: set("CORACLE_SAMPLES_DIR").unwrap_or_else(|| programs.join("../samples")),
            checkout: checkout()?,
            programs,
        };
        for (what, path, remedy) in [
            (
                "the coracle command",
                places.programs.join("coracle"),
                "cargo build",
            ),
            (
                "the host daemon",
                places.programs.join("coracled"),
                "cargo build",
            ),
            (
                "the VM image",
                places.image.join("manifest.json"),
                "cargo xtask image",
            ),
            ("the tools", places.tools.join("bin"), "cargo xtask tools"),
            (
                "the sample images",
                places.samples.clone(),
                "cargo xtask samples",
            ),
        ] {
            ensure!(
                path.exists(),
                "{what} is missing at {}: run `{remedy}`",
                path.display()
            );
        }
        Ok(places)
    }
}

fn checkout() -> Result<PathBuf> {
    if let Some(folder) = set("CORACLE_TEST_CHECKOUT") {
        return Ok(folder);
    }
    let here = env::current_dir().context("the current folder is gone")?;
    here.ancestors()
        .find(|folder| folder.join("tests/e2e/skips.toml").is_file())
        .map(Path::to_owned)
        .context("run this inside a checkout, or set CORACLE_TEST_CHECKOUT")
}

fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
