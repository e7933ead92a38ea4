//! Memory to a file and back: QEMU's migration in the form `mapped-ram`, in which every page has
//! its place in a sparse file. Why: `docs/adr/0006-suspend-and-resume.md`.

use std::io;
use std::path::Path;
use std::time::Duration;

use coracle_vm_driver::DriverError;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::qmp::Qmp;

/// Gigabytes to a slow disk; who hangs is given up.
const WITHIN: Duration = Duration::from_secs(600);

/// How often QEMU is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Writes the stopped guest's memory and devices to `memory`.
pub(crate) async fn save(qmp: &Qmp, memory: &Path) -> Result<(), DriverError> {
    prepare(qmp).await?;
    let channel = json!({"uri": uri(memory)?});
    qmp.execute_with("migrate", channel).await?;
    match finish(qmp).await {
        Ok(()) => Ok(()),
        Err(error) => {
            // Over already, most likely; the guest can only go on when it is.
            let _ = qmp.execute("migrate_cancel").await;
            Err(error)
        }
    }
}

/// Reads them into a QEMU that was started with `-incoming defer`; it ends if they do not fit.
pub(crate) async fn load(qmp: &Qmp, memory: &Path) -> Result<(), DriverError> {
    prepare(qmp).await?;
    let channel = json!({"uri": uri(memory)?});
    qmp.execute_with("migrate-incoming", channel).await?;
    finish(qmp).await
}

async fn prepare(qmp: &Qmp) -> Result<(), DriverError> {
    let mapped = json!([{"capability": "mapped-ram", "state": true}]);
    let arguments = json!({"capabilities": mapped});
    qmp.execute_with("migrate-set-capabilities", arguments)
        .await?;
    // A file has no bandwidth to be spared.
    let arguments = json!({"max-bandwidth": 0});
    qmp.execute_with("migrate-set-parameters", arguments)
        .await
        .map(drop)
}

async fn finish(qmp: &Qmp) -> Result<(), DriverError> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let migration = qmp.execute("query-migrate").await?;
        match migration["status"].as_str().unwrap_or_default() {
            "completed" => return Ok(()),
            "failed" | "cancelled" => {
                let why = migration["error-desc"].as_str().unwrap_or("no reason told");
                return Err(DriverError::Io {
                    context: "QEMU could not move the memory".into(),
                    source: io::Error::other(why.to_owned()),
                });
            }
            _ if Instant::now() > deadline => {
                return Err(DriverError::Timeout {
                    what: "with the memory",
                    after: WITHIN,
                });
            }
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

fn uri(memory: &Path) -> Result<String, DriverError> {
    let path = memory.to_str().ok_or_else(|| {
        let path = memory.display();
        DriverError::Config(format!("{path} cannot hold memory: it is not valid UTF-8"))
    })?;
    Ok(format!("file:{path}"))
}
