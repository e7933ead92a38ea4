use coracle_daemon_api::Hello;
use coracle_host_paths::image_dir;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  coracle version --json")]
pub(crate) struct Args {}

/// The `--json` shape of this verb, also part of a diagnosis.
#[derive(Debug, Serialize)]
pub(crate) struct VersionReport {
    command: &'static str,
    /// Null when none runs.
    daemon: Option<Hello>,
    /// Null when there is no image.
    image: Option<Image>,
}

/// What matters of the image's manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Image {
    version: String,
    arch: String,
    kernel: String,
}

pub(crate) async fn run(_: &Args, session: &Session) -> Result<u8, Failure> {
    let report = report(session).await;
    if session.output.json {
        session.output.json_document(&report)?;
        return Ok(0);
    }
    let daemon = report.daemon.map_or("not running".into(), |hello| {
        format!(
            "{} (API {}, process {})",
            hello.version, hello.api, hello.pid
        )
    });
    let image = report.image.map_or("missing".into(), |image| {
        format!("{} ({}, Linux {})", image.version, image.arch, image.kernel)
    });
    session.output.line(&format!(
        "command  {}\ndaemon   {daemon}\nimage    {image}",
        report.command
    ))?;
    Ok(0)
}

/// Looks at all parts; what does not answer is null.
pub(crate) async fn report(session: &Session) -> VersionReport {
    let manifest = image_dir(std::env::consts::ARCH).join("manifest.json");
    VersionReport {
        command: env!("CARGO_PKG_VERSION"),
        daemon: launch::hello(&session.client).await.ok(),
        image: std::fs::read(manifest)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok()),
    }
}
