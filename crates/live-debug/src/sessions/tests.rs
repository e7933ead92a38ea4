use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::engine::EngineAnswer;
use crate::fake::{Awake, FakeGuest};

/// Longer than a container may be away.
const LONG: Duration = Duration::from_secs(100);

/// An engine in a guest, which answers while that is awake.
#[derive(Default)]
struct OfGuest {
    guests: Guests,
    has_no_container: AtomicBool,
}

#[async_trait]
impl Engine for OfGuest {
    async fn ask(&self, method: &str, _: &str) -> Result<EngineAnswer, String> {
        let guest = self.guests.present().ok_or("there is no guest")?;
        if self.has_no_container.load(Ordering::Relaxed) {
            let (status, body) = (404, "{}".into());
            return Ok(EngineAnswer { status, body });
        }
        if method == "POST" {
            // Its container runs for as long as the guest does.
            guest.ended().await;
            return Err("the guest has gone".into());
        }
        let details = json!({
            "Id": "web-id", "Name": "/web",
            "State": { "Running": true, "Status": "running", "Pid": 42 },
            "Config": { "WorkingDir": "/", "Labels": {} },
        });
        Ok(EngineAnswer {
            status: 200,
            body: details.to_string().into(),
        })
    }
}

async fn session() -> (Sessions, Arc<OfGuest>, Awake) {
    let sessions = Sessions::default();
    let awake = FakeGuest::default().wake();
    sessions.guests.attach(awake.opener.clone());
    let engine = Arc::new(OfGuest {
        guests: sessions.guests.clone(),
        ..OfGuest::default()
    });
    let wish = Wish {
        target: "web".into(),
        process: None,
    };
    let (session, existing) = sessions
        .open(wish.clone(), &*engine, engine.clone())
        .await
        .unwrap();
    assert!(!existing);
    let (same, existing) = sessions.open(wish, &*engine, engine.clone()).await.unwrap();
    assert!(existing && same == session);
    (sessions, engine, awake)
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_a_suspension_however_long() {
    let (sessions, engine, awake) = session().await;
    drop(awake);
    sessions.guests.detach();
    sleep(LONG).await;
    assert_eq!(sessions.list().len(), 1);
    let awake = FakeGuest::default().wake();
    sessions.guests.attach(awake.opener.clone());
    sleep(LONG).await;
    assert_eq!(sessions.list().len(), 1);
    // From now on it is the container that is away.
    engine.has_no_container.store(true, Ordering::Relaxed);
    drop(awake);
    let awake = FakeGuest::default().wake();
    sessions.guests.attach(awake.opener.clone());
    sleep(LONG).await;
    assert_eq!(sessions.list(), []);
}

#[tokio::test]
async fn a_session_can_be_stopped_while_the_vm_is_suspended() {
    let (sessions, _engine, awake) = session().await;
    drop(awake);
    sessions.guests.detach();
    assert_eq!(sessions.stop("web").await.len(), 1);
    assert_eq!(sessions.list(), []);
}
