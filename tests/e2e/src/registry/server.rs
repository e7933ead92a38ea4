use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, Program, eventually, http};

use super::certificates::Pair;

/// Debian's registry, running until dropped.
pub(super) struct Server {
    _process: Live,
    port: u16,
}

impl Server {
    /// Starts an empty one on a port of the host's loopback, with TLS if there is a certificate.
    pub(super) fn start(coracle: &Coracle, port: u16, tls: Option<&Pair>) -> Result<Self> {
        let folder = coracle.work(&format!("registry-{port}"))?;
        let config = write_config(&folder, &format!("127.0.0.1:{port}"), &folder, tls)?;
        let program = Program::new(program(coracle)?)
            .arg("serve")
            .arg(config)
            .dir(&folder);
        let process = Live::start(program)?;
        eventually("a registry", || {
            Ok(TcpStream::connect(("127.0.0.1", port))?)
        })?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// Fails unless it holds the image.
    pub(super) fn holds(&self, image: &str) -> Result<()> {
        let address = format!("127.0.0.1:{}", self.port);
        let tags = http::get(&address, &format!("/v2/{image}/tags/list"))?;
        ensure!(tags.status == 200, "{} for {image}", tags.status);
        ensure!(tags.text().contains("latest"), "{}", tags.text());
        Ok(())
    }
}

/// The registry's program.
pub(super) fn program(coracle: &Coracle) -> Result<PathBuf> {
    let file = coracle
        .places()
        .programs
        .join("../registry/docker-registry");
    ensure!(
        file.is_file(),
        "{} is missing: `cargo xtask test registry` fetches it",
        file.display()
    );
    Ok(file)
}

/// Writes the configuration of a registry that keeps its images below `storage`.
pub(super) fn write_config(
    folder: &Path,
    address: &str,
    storage: &Path,
    tls: Option<&Pair>,
) -> Result<PathBuf> {
    let storage = storage.join("images");
    let mut text = format!(
        "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
        storage.display()
    );
    if let Some(pair) = tls {
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        text += &format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
    }
    let file = folder.join("config.yml");
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    Ok(file)
}
