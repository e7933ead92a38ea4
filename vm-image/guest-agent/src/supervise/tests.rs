use super::*;
use crate::reaper::ONE_REAPER;

fn service(script: &str) -> Service {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Service {
        name: "thing",
        command,
        stale: &[],
        oom_score: 0,
        log: Arc::new(LogRing::new()),
    }
}

#[tokio::test]
async fn what_ends_is_told_with_its_last_words_and_started_again() {
    let _alone = ONE_REAPER.lock().await;
    let (reaper, _task) = Reaper::start().unwrap();
    let (sender, mut events) = mpsc::channel(8);
    let service = service("echo on it; echo no such luck >&2; kill -KILL $$");
    let log = service.log.clone();
    let supervised = service.supervise(reaper, sender);
    for _ in 0..2 {
        assert_eq!(events.recv().await, Some(ServiceEvent::Started));
        let Some(ServiceEvent::Ended(reason)) = events.recv().await else {
            panic!("no end was told");
        };
        assert!(reason.starts_with("thing was ended by SIGKILL"), "{reason}");
        assert!(reason.contains("no such luck"), "{reason}");
    }
    supervised.stop().await;
    assert!(log.last(100).len() >= 4);
}

#[tokio::test]
async fn what_is_asked_to_stop_stops_and_stays_so() {
    let _alone = ONE_REAPER.lock().await;
    let (reaper, _task) = Reaper::start().unwrap();
    let (sender, mut events) = mpsc::channel(8);
    let service = service("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let log = service.log.clone();
    let mut lines = log.changes();
    let supervised = service.supervise(reaper, sender);
    lines.wait_for(|next| *next > 0).await.unwrap();
    supervised.stop().await;
    assert_eq!(events.recv().await, Some(ServiceEvent::Started));
    assert_eq!(events.recv().await, None);
    assert_eq!(log.last(1), ["bye"]);
}

#[tokio::test]
async fn what_cannot_start_is_told() {
    let _alone = ONE_REAPER.lock().await;
    let (reaper, _task) = Reaper::start().unwrap();
    let (sender, mut events) = mpsc::channel(8);
    let mut service = service("");
    service.command = Command::new("/nowhere/thing");
    let supervised = service.supervise(reaper, sender);
    let Some(ServiceEvent::Ended(reason)) = events.recv().await else {
        panic!("no end was told");
    };
    assert!(reason.starts_with("thing could not be started"), "{reason}");
    supervised.stop().await;
}

#[test]
fn pauses_grow_to_a_bound_and_a_long_life_is_forgiven() {
    let mut back_off = BackOff::default();
    let short = Duration::from_secs(1);
    let pauses: Vec<_> = (0..8).map(|_| back_off.after(short).as_millis()).collect();
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    for _ in 0..100 {
        back_off.after(short);
    }
    assert_eq!(back_off.after(Duration::from_secs(60)).as_millis(), 200);
}
