mod archive;
mod probe;
mod state;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::launch;
use crate::platform;
use crate::scrub;
use crate::session::Session;
use crate::verb::version;
use archive::Archive;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Passwords, tokens, keys and users in addresses are taken out; read it before you hand it on.\n\nExample:\n  coracle diagnose -o /tmp/coracle.tar"
)]
pub(crate) struct Args {
    /// The file to write [default: coracle-diagnose-<seconds since 1970>.tar]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Takes what there is: neither the daemon nor any of the files need be there.
pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let path = match &args.output {
        Some(path) => path.clone(),
        None => format!("coracle-diagnose-{now}.tar").into(),
    };
    let failed =
        |error: std::io::Error| Failure::host(format!("cannot write {}", path.display()), &error);
    let mut archive = Archive::create(&path, now).map_err(failed)?;
    for (name, content) in collect(session).await? {
        archive.add(&name, &content).map_err(failed)?;
    }
    archive.finish().map_err(failed)?;
    if session.output.json {
        session.output.json_document(&json!({ "file": path }))?;
    } else {
        session
            .output
            .line(&format!("{} is ready.", path.display()))?;
    }
    Ok(0)
}

/// Names and scrubbed contents.
async fn collect(session: &Session) -> Result<Vec<(String, String)>, Failure> {
    let mut files = vec![
        (
            "version.json".into(),
            document(serde_json::to_value(version::report(session).await)?)?,
        ),
        ("status.json".into(), document(status(session).await?)?),
        ("settings.json".into(), state::settings(&session.paths)?),
        ("state-folder.txt".into(), state::listing(&session.paths)),
    ];
    files.extend(state::logs(&session.paths));
    for (name, what) in platform::probes(session.paths.home()) {
        let text = probe::run(&what).await;
        files.push((format!("probes/{name}.txt"), scrub::text(&text)));
    }
    Ok(files)
}

/// The daemon's status, else why there is none.
async fn status(session: &Session) -> Result<Value, Failure> {
    let result = match launch::hello(&session.client).await {
        Ok(_) => session.client.status().await,
        Err(error) => Err(error),
    };
    Ok(match result {
        Ok(status) => serde_json::to_value(status)?,
        Err(error) => json!({ "error": error.to_api() }),
    })
}

/// A JSON file without secrets.
fn document(mut value: Value) -> Result<String, Failure> {
    scrub::json(&mut value);
    Ok(serde_json::to_string_pretty(&value)?)
}
