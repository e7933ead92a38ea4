//! Terminals at an engine that is played.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coracle_daemon_api::ErrorCode;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::*;

const SIZE: TerminalSize = TerminalSize {
    columns: 80,
    rows: 24,
};

/// A container's id; what its terminal says first.
const WITH_SHELL: &str = "with-shell";
const WITHOUT_SHELL: &str = "without-shell";
const FLOOD: &str = "flood";
/// Its connection ends, and the shell goes on.
const CUT_OFF: &str = "cut-off";

struct Played {
    engine: Engine,
    listens: watch::Sender<bool>,
    /// Whether there is no engine behind the socket.
    is_down: Arc<AtomicBool>,
    /// Scripts that were executed, and sizes.
    asked: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Played {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let is_down = Arc::<AtomicBool>::default();
        let (all, down) = (asked.clone(), is_down.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, down) = (all.clone(), down.clone());
                let service = service_fn(move |request| answer(all.clone(), down.clone(), request));
                let connection = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        Self {
            engine: Engine::new(&socket),
            listens: watch::Sender::new(true),
            is_down,
            asked,
            _folder: folder,
        }
    }

    async fn until_asked(&self, wanted: &str) {
        let looks = async {
            loop {
                let found = self.asked.lock().unwrap().concat();
                if found.contains(wanted) {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let came = timeout(Duration::from_secs(60), looks).await;
        assert!(came.is_ok(), "{wanted}: {:?}", self.asked.lock().unwrap());
    }
}

async fn answer(
    asked: Arc<Mutex<Vec<String>>>,
    is_down: Arc<AtomicBool>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().to_string();
    let body = request.body_mut().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut response = Response::new(Full::default());
    if is_down.load(Ordering::SeqCst) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        *response.body_mut() = json!({ "message": "the VM is suspended" })
            .to_string()
            .into();
    } else if path.ends_with("/json") {
        let is_running = path.contains(CUT_OFF);
        *response.body_mut() = json!({ "Running": is_running }).to_string().into();
    } else if path.ends_with("/exec") {
        let script = body["Cmd"][2].as_str().unwrap().to_owned();
        asked.lock().unwrap().push(script);
        let container = path.rsplit('/').nth(1).unwrap();
        *response.body_mut() = json!({ "Id": container }).to_string().into();
    } else if path.contains("/resize") {
        asked.lock().unwrap().push(path);
    } else if body["Tty"] == true {
        let container = path.rsplit('/').nth(1).unwrap().to_owned();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", "Upgrade".parse().unwrap());
        headers.insert("upgrade", "tcp".parse().unwrap());
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(request).await.unwrap();
            shell(&container, TokioIo::new(upgraded)).await;
        });
    }
    Ok(response)
}

/// Echoes until it is told to exit.
async fn shell(container: &str, mut terminal: TokioIo<Upgraded>) {
    let first = match container {
        WITHOUT_SHELL => "OCI runtime exec failed: exec: \"sh\": not found\r\n".to_owned(),
        FLOOD => "y\n".repeat(1 << 20),
        _ => "$ ".to_owned(),
    };
    let _ = terminal.write_all(first.as_bytes()).await;
    if container != WITH_SHELL {
        return;
    }
    let mut buffer = [0; 64];
    loop {
        let count = terminal.read(&mut buffer).await.unwrap_or(0);
        if count == 0 || buffer.starts_with(b"exit") {
            return;
        }
        terminal.write_all(&buffer[..count]).await.unwrap();
    }
}

/// What came to the page.
#[derive(Clone, Default)]
struct Shown {
    pieces: usize,
    text: String,
    end: Option<Option<String>>,
}

fn open(played: &Played, terminals: &Terminals, container: &str) -> (u32, watch::Receiver<Shown>) {
    let (shown, receiver) = watch::channel(Shown::default());
    let number = terminals.open(
        played.engine.clone(),
        played.listens.subscribe(),
        container.into(),
        SIZE,
        move |piece| {
            shown.send_modify(|shown| match piece {
                TerminalPiece::Text { text } => {
                    shown.pieces += 1;
                    shown.text += &text;
                }
                TerminalPiece::End { error } => shown.end = Some(error),
            });
            Ok(())
        },
    );
    (number, receiver)
}

async fn until(shown: &mut watch::Receiver<Shown>, is_so: impl FnMut(&Shown) -> bool) {
    let came = timeout(Duration::from_secs(60), shown.wait_for(is_so)).await;
    assert!(matches!(came, Ok(Ok(_))), "it never came");
}

#[tokio::test]
async fn a_shell_is_typed_into_until_it_ends() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (number, mut shown) = open(&played, &terminals, WITH_SHELL);
    until(&mut shown, |shown| shown.text == "$ ").await;
    terminals.tell(number, Input::Typed("grün".into()));
    until(&mut shown, |shown| shown.text == "$ grün").await;
    let (columns, rows) = (100, 30);
    terminals.tell(number, Input::Size(TerminalSize { columns, rows }));
    played.until_asked("h=30&w=100").await;
    terminals.tell(number, Input::Typed("exit\r".into()));
    until(&mut shown, |shown| shown.end == Some(None)).await;
    let asked = played.asked.lock().unwrap().concat();
    assert!(!asked.contains("kill"), "it has ended by itself: {asked}");
}

#[tokio::test]
async fn who_leaves_a_terminal_ends_what_runs_in_it() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (number, mut shown) = open(&played, &terminals, WITH_SHELL);
    until(&mut shown, |shown| shown.text == "$ ").await;
    terminals.end(number);
    played.until_asked("kill -HUP").await;
    until(&mut shown, |shown| shown.end == Some(None)).await;
}

#[tokio::test]
async fn a_page_that_does_not_hear_any_more_has_left() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let deaf = |_| Err(ApiError::new(ErrorCode::Internal, "the page has gone"));
    let (engine, listens) = (played.engine.clone(), played.listens.subscribe());
    terminals.open(engine, listens, WITH_SHELL.into(), SIZE, deaf);
    played.until_asked("kill -HUP").await;
}

#[tokio::test]
async fn a_shell_that_goes_on_with_a_suspended_vm_is_ended_when_the_engine_is_back() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (_, mut shown) = open(&played, &terminals, CUT_OFF);
    until(&mut shown, |shown| shown.text == "$ ").await;
    played.is_down.store(true, Ordering::SeqCst);
    played.listens.send_replace(false);
    until(&mut shown, |shown| shown.end == Some(None)).await;
    sleep(SETTLES + RETRY + Duration::from_millis(500)).await;
    played.is_down.store(false, Ordering::SeqCst);
    sleep(RETRY + Duration::from_millis(500)).await;
    let asked = played.asked.lock().unwrap().concat();
    assert!(!asked.contains("kill"), "it would wake the VM: {asked}");
    played.listens.send_replace(true);
    played.until_asked("kill -HUP").await;
}

#[tokio::test]
async fn an_app_that_ends_has_ended_its_shells() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (_, mut shown) = open(&played, &terminals, WITH_SHELL);
    until(&mut shown, |shown| shown.text == "$ ").await;
    terminals.finalize().await;
    let asked = played.asked.lock().unwrap().concat();
    assert!(asked.contains("kill -HUP"), "{asked}");
}

#[tokio::test]
async fn an_app_that_ends_does_not_wait_long_for_an_engine_that_does_not_listen() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (_, mut shown) = open(&played, &terminals, WITH_SHELL);
    until(&mut shown, |shown| shown.text == "$ ").await;
    played.is_down.store(true, Ordering::SeqCst);
    played.listens.send_replace(false);
    let ended = timeout(FINALIZE * 5, terminals.finalize()).await;
    assert!(ended.is_ok());
}

#[tokio::test]
async fn a_container_without_a_shell_is_said_to_have_none() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (_, mut shown) = open(&played, &terminals, WITHOUT_SHELL);
    until(&mut shown, |shown| shown.end.is_some()).await;
    let shown = shown.borrow().clone();
    assert!(shown.end.flatten().unwrap().contains("neither bash nor sh"));
    assert_eq!(shown.text, "", "the engine's words are not the shell's");
}

#[tokio::test]
async fn a_flood_waits_for_the_page() {
    let (played, terminals) = (Played::new(), Terminals::default());
    let (number, mut shown) = open(&played, &terminals, FLOOD);
    until(&mut shown, |shown| shown.pieces == UNSEEN).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(shown.borrow().pieces, UNSEEN);
    terminals.tell(number, Input::Drawn);
    until(&mut shown, |shown| shown.pieces == UNSEEN + 1).await;
}
