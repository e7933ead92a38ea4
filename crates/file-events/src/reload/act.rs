use std::time::Duration;

use coracle_engine_client::{self as engine, Failure};
use coracle_guest_api::mux::Opener;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::rule::Action;

/// A command that reloads should have ended by then; a container has as long to stop.
const WITHIN: Duration = Duration::from_secs(60);

/// Does it, and waits for its end.
pub(super) async fn act(opener: &Opener, id: &str, action: &Action) -> Result<(), Failure> {
    // The guest may have made it up.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("the engine gave the container an id that is none".into());
    }
    let acting = async {
        let order = async |path: &str, body: Option<&Value>| {
            engine::post(opener, &format!("/containers/{id}/{path}"), body).await
        };
        match action {
            Action::Restart => order("restart", None).await.map(drop),
            Action::Signal(name) => order(&kill(name), None).await.map(drop),
            Action::Exec(words) => {
                let made = json!({ "Cmd": words, "AttachStdout": true, "AttachStderr": true, "Tty": true });
                let made = order("exec", Some(&made)).await?;
                exec(opener, &serde_json::from_slice(&made)?).await
            }
        }
    };
    let within = WITHIN.as_secs();
    timeout(WITHIN, acting)
        .await
        .unwrap_or_else(|_| Err(format!("it has not ended within {within} s").into()))
}

fn kill(signal: &str) -> String {
    format!("kill?signal={}", engine::query_value(signal))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exec {
    id: String,
}

async fn exec(opener: &Opener, exec: &Exec) -> Result<(), Failure> {
    let path = format!("/exec/{}", engine::query_value(&exec.id));
    // Its end is the end of its output.
    let start = json!({ "Detach": false, "Tty": true });
    let output = engine::post(opener, &format!("{path}/start"), Some(&start)).await?;
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Ended {
        exit_code: Option<i64>,
    }
    let ended: Option<Ended> = engine::get(opener, &format!("{path}/json")).await?;
    match ended.and_then(|ended| ended.exit_code) {
        Some(0) => Ok(()),
        code => {
            let output = String::from_utf8_lossy(&output);
            let last = output.trim_end().lines().next_back().unwrap_or_default();
            let code = code.map_or("no code".to_owned(), |code| code.to_string());
            Err(format!("it ended with {code}: {last}").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_in_a_signals_name_stays_one() {
        assert_eq!(kill("HUP"), "kill?signal=HUP");
        assert_eq!(kill("RTMIN+1"), "kill?signal=RTMIN%2B1");
    }
}
