use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use coracle_host_paths::find_program;
use tokio::process::Command;
use tokio::time::timeout;

use crate::platform::Probe;

/// A program that only tells about itself needs no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer as text; that there is none is an answer too.
pub(super) async fn run(probe: &Probe) -> String {
    match probe {
        Probe::File(path) => {
            std::fs::read_to_string(path).unwrap_or_else(|error| format!("{path}: {error}\n"))
        }
        Probe::Device(path) => match OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => format!("{path}: opens\n"),
            Err(error) => format!("{path}: {error}\n"),
        },
        Probe::Command(name, args) => {
            let Some(program) = find_program(name) else {
                return format!("{name}: not found\n");
            };
            let output = Command::new(&program)
                .args(args)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output();
            let text = match timeout(PATIENCE, output).await {
                Ok(Ok(output)) => format!(
                    "{}{}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                    output.status
                ),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            };
            format!("$ {}\n{text}\n", program.display())
        }
    }
}
