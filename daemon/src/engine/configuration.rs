//! The engine's `daemon.json`: what the engine says of it, and the one with which it last came up.
//!
//! A change is shown to the engine that runs before it is stored. What it cannot tell so, or was written into the
//! settings' file by hand, shows at the next start; then the agent goes back to the one before, which is kept here.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode, SettingChange};
use coracle_guest_api::StreamHeader;
use coracle_guest_api::exec::{self, ExecFrame, ExecRequest, MAX_FRAME};
use coracle_guest_api::mux::Opener;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::Failure;
use crate::platform;

/// What dockerd says before the reason.
const NOT_TAKEN: &str = "unable to configure the Docker daemon with file /dev/stdin: ";

/// How long the engine's program may look: on an emulated processor it takes some seconds to begin.
const LOOK: Duration = Duration::from_secs(30);

/// The longest answer that is kept, in bytes.
const MAX_WORDS: usize = 16 << 10;

/// Why the wishes are not granted.
pub(crate) fn refused(wishes: &[SettingChange], words: &str) -> ApiError {
    let keys: Vec<_> = wishes.iter().map(|wish| wish.key.as_str()).collect();
    let message = format!(
        "{} would keep the engine from starting, which says: {words}; nothing was changed, correct it and set it again",
        keys.join(", ")
    );
    ApiError::new(ErrorCode::InvalidInput, message)
}

/// What to tell while the engine runs with the configuration before.
pub(crate) fn gone_back(words: &str) -> String {
    format!(
        "The engine did not start with its present settings ({words}) and runs with those before them: correct \
         engine.config with `coracle config set`, then `coracle restart`."
    )
}

/// Why the engine refuses a configuration, if it says so in time. When it cannot be asked the next start tells.
pub(crate) async fn refusal(opener: &Opener, config: &Map<String, Value>) -> Option<String> {
    match timeout(LOOK, look(opener, config)).await {
        Ok(Ok(refusal)) => refusal,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the engine's configuration was not looked at");
            None
        }
        Err(_) => {
            tracing::warn!("the engine's configuration was not looked at in time");
            None
        }
    }
}

/// Has the engine's program look at a configuration, without a start; its words when it refuses it.
async fn look(opener: &Opener, config: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let argv = ["dockerd", "--validate", "--config-file", "/dev/stdin"];
    let request = ExecRequest {
        argv: argv.map(str::to_owned).to_vec(),
        env: Vec::new(),
        cwd: None,
        tty: None,
    };
    let (mut stream, _) = opener.open(&StreamHeader::Exec(request)).await?;
    let text = serde_json::to_vec(config)?;
    for part in text.chunks(MAX_FRAME) {
        exec::write(&mut stream, &ExecFrame::Stdin(part.to_vec())).await?;
    }
    exec::write(&mut stream, &ExecFrame::Stdin(Vec::new())).await?;
    let mut said = Vec::new();
    while let Some(frame) = exec::read(&mut stream).await? {
        match frame {
            ExecFrame::Stderr(bytes) => {
                let room = MAX_WORDS.saturating_sub(said.len());
                said.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            ExecFrame::Exit(0) => return Ok(None),
            ExecFrame::Exit(1) => return Ok(Some(words(&said))),
            // No such program, or it was killed: that says nothing of the configuration.
            ExecFrame::Exit(code) => {
                return Err(format!("dockerd --validate ended with {code}").into());
            }
            _ => {}
        }
    }
    Err("the guest did not say how dockerd --validate ended".into())
}

fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it gave no reason").trim();
    last.strip_prefix(NOT_TAKEN).unwrap_or(last).to_owned()
}

/// What to go back to from `now`: what was [kept](keep), or else nothing of one's own. None where that is the same.
pub(crate) fn before(file: &Path, now: &Map<String, Value>) -> Option<Map<String, Value>> {
    let before = match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "{} is damaged and not used", file.display());
            Map::new()
        }),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "{} cannot be read", file.display());
            }
            Map::new()
        }
    };
    (before != *now).then_some(before)
}

/// The engine has come up with `config`.
pub(crate) fn keep(file: &Path, config: &Map<String, Value>) {
    let text = serde_json::to_vec_pretty(config).expect("a configuration is plain data");
    if fs::read(file).is_ok_and(|kept| kept == text) {
        return;
    }
    let part = file.with_extension("json.part");
    let written = || -> io::Result<()> {
        let mut new = platform::create_private_file(&part)?;
        new.write_all(&text)?;
        new.sync_all()?;
        fs::rename(&part, file)
    };
    if let Err(error) = written() {
        tracing::warn!(%error, "the engine's configuration is not kept in {}", file.display());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_the_engine_came_up_with_is_gone_back_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engine.json");
        let good = config(json!({"debug": true}));
        let other = config(json!({"colour": 1}));
        assert_eq!(before(&file, &Map::new()), None);
        assert_eq!(before(&file, &other), Some(Map::new()));
        keep(&file, &good);
        assert_eq!(before(&file, &good), None);
        assert_eq!(before(&file, &other), Some(good));
        fs::write(&file, "{").unwrap();
        assert_eq!(before(&file, &other), Some(Map::new()));
    }

    #[test]
    fn the_reason_is_the_last_line_without_the_file() {
        let said = format!("time=… level=info msg=…\n{NOT_TAKEN}invalid character\n\n");
        assert_eq!(words(said.as_bytes()), "invalid character");
        assert_eq!(words(b""), "it gave no reason");
    }
}
