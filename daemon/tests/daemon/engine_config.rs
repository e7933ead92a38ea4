//! Configurations that the engine refuses.

use coracle_daemon_api::{ErrorCode, SettingChange, StartOptions, StopOptions, VmState};
use serde_json::json;

use crate::bench::Bench;
use crate::guest::{Guest, Script};

const WORDS: &str = "the following directives don't match any configuration option: colour";

fn wish(config: serde_json::Value) -> [SettingChange; 1] {
    [SettingChange {
        key: "engine.config".into(),
        value: config,
    }]
}

async fn up(bench: &Bench, script: Script) -> Guest {
    let options = StartOptions::default();
    let (started, guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.guest(script));
    assert_eq!(started.unwrap().vm.state, VmState::Running);
    guest
}

async fn down(bench: &Bench, guest: Guest) {
    let options = StopOptions {
        shutdown: true,
        ..StopOptions::default()
    };
    bench.client.stop(&options, |_| {}).await.unwrap();
    drop(guest);
}

fn refusing() -> Script {
    Script {
        refuses: Some(WORDS),
        ..Script::default()
    }
}

#[tokio::test]
async fn what_a_running_engine_would_refuse_is_not_stored() {
    let bench = Bench::new().await;
    let _guest = up(&bench, refusing()).await;
    let wishes = wish(json!({"colour": "red"}));
    let refused = bench.client.change(&wishes).await.unwrap_err().to_api();
    assert_eq!(refused.code, ErrorCode::InvalidInput);
    assert!(
        refused.message.contains("engine.config") && refused.message.contains(WORDS),
        "{refused}"
    );
    let all = bench.client.settings().await.unwrap();
    let now = all.iter().find(|one| one.key == "engine.config").unwrap();
    assert_eq!(now.value, json!({}));
    // The engine is shown nothing where nothing changes for it.
    let other = [SettingChange {
        key: "vm.cpus".into(),
        value: json!(2),
    }];
    bench.client.change(&other).await.unwrap();
}

#[tokio::test]
async fn what_the_engine_takes_is_stored() {
    let bench = Bench::new().await;
    let _guest = bench.up().await;
    let changed = bench.client.change(&wish(json!({"debug": true}))).await;
    let changed = changed.unwrap();
    assert!(changed.restart_needed);
    assert_eq!(changed.changed[0].value, json!({"debug": true}));
}

#[tokio::test]
async fn the_configuration_before_is_what_the_engine_last_came_up_with() {
    let bench = Bench::new().await;
    let good = json!({"debug": true});
    bench.client.change(&wish(good.clone())).await.unwrap();
    let guest = up(&bench, Script::default()).await;
    let before = guest.boot.engine_before.clone();
    assert_eq!(before, Some(serde_json::Map::new()));
    down(&bench, guest).await;

    // Nobody runs who could be asked.
    bench
        .client
        .change(&wish(json!({"colour": 1})))
        .await
        .unwrap();
    for _ in 0..2 {
        let guest = up(&bench, refusing()).await;
        let before = guest.boot.engine_before.clone();
        assert_eq!(json!(before), good);
        let degraded = bench.status().await.degraded;
        assert!(
            degraded
                .iter()
                .any(|one| one.contains(WORDS) && one.contains("engine.config")),
            "{degraded:?}"
        );
        down(&bench, guest).await;
    }

    bench.client.change(&wish(good)).await.unwrap();
    let guest = up(&bench, Script::default()).await;
    assert_eq!(guest.boot.engine_before, None);
    assert!(bench.status().await.degraded.is_empty());
}
