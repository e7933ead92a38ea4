//! Debug sessions, as the VM comes and goes.

use coracle_daemon_api::{DebugRequest, DebugStop, DebugWrite, StartOptions, StopOptions, VmState};
use tokio::net::TcpStream;

use crate::bench::Bench;
use crate::guest::{Guest, Script, Token};

/// A VM with a debug session, whose port is returned.
async fn debugged() -> (Bench, Guest, String) {
    let bench = Bench::new().await;
    bench.driver.suspends();
    let guest = bench.up().await;
    let address = debug(&bench).await;
    (bench, guest, address)
}

async fn debug(bench: &Bench) -> String {
    let request = DebugRequest {
        target: "web".into(),
        pid: None,
        write: None,
    };
    bench.client.debug(&request).await.unwrap().address
}

async fn suspend(bench: &Bench, guest: &Guest) -> Token {
    let options = StopOptions::default();
    let (status, token) = tokio::join!(bench.client.stop(&options, |_| {}), guest.suspended());
    assert_eq!(status.unwrap().vm.state, VmState::Suspended);
    token
}

async fn ports(bench: &Bench) -> Vec<String> {
    let all = bench.client.debug_sessions().await.unwrap();
    all.into_iter().map(|session| session.address).collect()
}

#[tokio::test]
async fn events_tell_of_sessions() {
    let (bench, _guest, address) = debugged().await;
    let mut news = bench
        .news_when(|news| !news.debug_sessions.is_empty())
        .await;
    let session = news.debug_sessions.remove(0);
    assert_eq!(session.address, address);
    let folder = tempfile::tempdir().unwrap();
    let write = DebugWrite {
        id: session.id,
        folder: folder.path().into(),
    };
    let written = bench.client.write_debug(&write).await.unwrap().written;
    let text = std::fs::read_to_string(written.unwrap()).unwrap();
    assert!(text.contains("Coracle: web"), "{text}");
    let gone = DebugWrite { id: 99, ..write };
    assert!(bench.client.write_debug(&gone).await.is_err());

    let which = session.id.to_string();
    let listener = bench.news_when(|news| news.debug_sessions.is_empty());
    let (_, ended) = tokio::join!(listener, async {
        bench.client.stop_debug(&DebugStop { which }).await
    });
    assert_eq!(ended.unwrap()[0].id, session.id);
}

#[tokio::test]
async fn a_session_outlives_a_suspension() {
    let (bench, mut guest, address) = debugged().await;
    for _ in 0..2 {
        let token = suspend(&bench, &guest).await;
        assert_eq!(ports(&bench).await, std::slice::from_ref(&address));
        TcpStream::connect(&address).await.unwrap();
        let none = StartOptions::default();
        let (started, woken) = tokio::join!(bench.client.start(&none, |_| {}), bench.woken(token));
        assert_eq!(started.unwrap().vm.state, VmState::Running);
        guest = woken;
        assert_eq!(debug(&bench).await, address, "it is another session");
    }
}

#[tokio::test]
async fn a_suspended_vm_that_is_given_up_takes_its_sessions_along() {
    let (bench, guest, address) = debugged().await;
    suspend(&bench, &guest).await;
    let shutdown = StopOptions {
        shutdown: true,
        ..StopOptions::default()
    };
    bench.client.stop(&shutdown, |_| {}).await.unwrap();
    assert_eq!(ports(&bench).await, [""; 0]);
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn sessions_do_not_go_on_in_a_vm_that_boots() {
    let (bench, guest, _) = debugged().await;
    suspend(&bench, &guest).await;
    std::fs::write(bench.paths.memory_dir().join("memory"), "damaged").unwrap();
    let none = StartOptions::default();
    let (started, _guest) = tokio::join!(
        bench.client.start(&none, |_| {}),
        bench.guest(Script::default())
    );
    assert_eq!(started.unwrap().vm.state, VmState::Running);
    assert_eq!(ports(&bench).await, [""; 0]);
}

#[tokio::test]
async fn sessions_end_with_their_vm() {
    let (bench, _before, _) = debugged().await;
    let none = StartOptions::default();
    let (restarted, _guest) = tokio::join!(
        bench.client.restart(&none, |_| {}),
        bench.guest(Script::default())
    );
    assert_eq!(restarted.unwrap().vm.state, VmState::Running);
    assert_eq!(ports(&bench).await, [""; 0]);
}
