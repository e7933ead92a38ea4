use coracle_daemon_api::{ErrorCode, StartOptions, Taken};

use crate::bench::Bench;
use crate::guest::Script;

#[tokio::test]
async fn it_is_over_when_no_more_comes_back() {
    let bench = Bench::new().await;
    let _guest = bench.up().await;
    bench.driver.takes(&[9 << 20, 7 << 20, 5 << 20, 5 << 20]);
    let reclaimed = bench.client.reclaim().await.unwrap();
    let memory = Taken {
        before_bytes: 9 << 20,
        after_bytes: 5 << 20,
    };
    assert_eq!(reclaimed.memory, memory);
    assert_eq!(reclaimed.memory.came_back(), 4 << 20);
    assert_eq!(reclaimed.disk.came_back(), 0);
}

#[tokio::test]
async fn a_guest_that_cannot_is_quoted() {
    let bench = Bench::new().await;
    let (options, script) = (
        StartOptions::default(),
        Script {
            keeps: Some("the disk is gone"),
            ..Script::default()
        },
    );
    let (started, _guest) = tokio::join!(bench.client.start(&options, |_| {}), bench.guest(script));
    started.unwrap();
    let error = bench.client.reclaim().await.unwrap_err().to_api();
    assert_eq!(error.code, ErrorCode::VmFailed);
    assert!(error.message.contains("the disk is gone"), "{error}");
}

#[tokio::test]
async fn a_stopped_vm_has_nothing_to_give() {
    let bench = Bench::new().await;
    let error = bench.client.reclaim().await.unwrap_err().to_api();
    assert_eq!(error.code, ErrorCode::WrongState);
    assert!(error.message.contains("coracle start"), "{error}");
}
