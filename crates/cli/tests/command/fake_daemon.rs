//! A daemon that answers as it is told to, on the socket of a state folder.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use coracle_daemon_api::{
    API_VERSION, ApiError, Capabilities, EngineStatus, Hello, HostSupport, PortStatus, Progress,
    Reclaimed, Setting, SettingChange, SettingsChanged, ShareStatus, Snapshot, Stage, Status,
    SwarmStatus, Taken, Versions, VmState, VmStatus, paths,
};
use coracle_guest_api::exec::{self, ExecFrame, ExecRequest};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::runtime::Runtime;

/// What the daemon says.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) hello: Hello,
    pub(crate) status: Status,
    /// The answer to each long action.
    pub(crate) progress: Vec<Progress>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// The answer to every question about the swarm, if there may be one.
    pub(crate) swarm: Option<SwarmStatus>,
    /// The answer to a change of settings, if it is not taken.
    pub(crate) refusal: Option<ApiError>,
    pub(crate) log: String,
}

impl Script {
    pub(crate) fn new(home: &Path) -> Self {
        let status = status(home);
        let stage = |stage, message: &str| Progress::Stage {
            stage,
            message: message.into(),
        };
        Self {
            hello: Hello {
                api: API_VERSION,
                version: "0.1.0".into(),
                pid: std::process::id(),
            },
            progress: vec![
                stage(Stage::Booting, "starting the VM"),
                stage(Stage::Engine, "waiting for the engine"),
                Progress::Done {
                    status: Box::new(status.clone()),
                },
            ],
            status,
            settings: vec![setting("vm.cpus", 2.into()), setting("note", "x".into())],
            snapshots: vec![Snapshot {
                name: "first".into(),
                taken_s: Some(0),
                pause_ms: Some(81),
                memory_bytes: 300 << 20,
                error: None,
            }],
            swarm: None,
            refusal: None,
            log: "one\ntwo\n".into(),
        }
    }
}

/// A healthy status with one of everything.
pub(crate) fn status(home: &Path) -> Status {
    Status {
        vm: VmStatus {
            state: VmState::Running,
            cpus: 2,
            memory_mib: 4096,
            disk_bytes: 64 << 30,
            disk_used_bytes: 3 << 29,
            usage: None,
            cpu_percent: None,
            asleep: false,
            uptime_s: Some(61),
            restarts: 0,
            last_error: None,
            cannot_suspend: None,
            changed_settings: Vec::new(),
        },
        engine: EngineStatus {
            ready: true,
            note: None,
        },
        host: Some(HostSupport {
            hypervisor: "QEMU 10.0.2".into(),
            accelerator: "tcg".into(),
            accelerator_note: Some("/dev/kvm may not be opened: join the group kvm".into()),
            capabilities: Capabilities::default(),
        }),
        versions: Versions {
            coracle: "0.1.0".into(),
            engine: Some("26.1.5".into()),
            ..Versions::default()
        },
        ports: vec![PortStatus {
            protocol: "tcp".into(),
            host: "0.0.0.0:8080".into(),
            container: "172.17.0.2:80".into(),
            error: Some("another program listens there".into()),
        }],
        shares: vec![ShareStatus {
            path: "/home/me".into(),
            mounted: true,
        }],
        degraded: vec!["the clock was behind".into()],
        engine_socket: home.join("run/docker.sock"),
        home: home.into(),
    }
}

fn setting(key: &str, value: serde_json::Value) -> Setting {
    Setting {
        key: key.into(),
        default: value.clone(),
        value,
        description: format!("What {key} means."),
        needs_restart: true,
    }
}

/// Serves until it is dropped.
pub(crate) struct FakeDaemon {
    _runtime: Runtime,
    calls: Arc<Mutex<Vec<(String, String)>>>,
}

impl FakeDaemon {
    pub(crate) fn start(home: &Path, script: Script) -> Self {
        std::fs::create_dir_all(home.join("run")).unwrap();
        let socket = home.join("run/coracled.sock");
        let _ = std::fs::remove_file(&socket);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let guard = runtime.enter();
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), calls.clone());
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen) = (script.clone(), seen.clone());
                let service = service_fn(move |request| {
                    let (script, seen) = (script.clone(), seen.clone());
                    async move { answer(&script, &seen, request).await }
                });
                tokio::spawn(async move {
                    // A client that leaves early is not the daemon's failure.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                });
            }
        });
        drop(guard);
        Self {
            _runtime: runtime,
            calls,
        }
    }

    /// The bodies of the requests to a path (with its query), in order.
    pub(crate) fn bodies(&self, path: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .filter(|(called, _)| called == path)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

type Answer = Result<Response<Full<Bytes>>, hyper::Error>;

async fn answer(
    script: &Script,
    seen: &Mutex<Vec<(String, String)>>,
    mut request: Request<Incoming>,
) -> Answer {
    let target = request.uri().to_string();
    let path = request.uri().path().to_owned();
    let body = request.body_mut().collect().await?.to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    seen.lock().unwrap().push((target, text.clone()));
    Ok(match path.as_str() {
        paths::HELLO => json(200, &script.hello),
        paths::STATUS => json(200, &script.status),
        paths::SNAPSHOTS if request.method() == hyper::Method::GET => json(200, &script.snapshots),
        paths::START
        | paths::STOP
        | paths::RESTART
        | paths::RESET
        | paths::SNAPSHOTS
        | paths::SNAPSHOT_RESTORE
        | paths::SNAPSHOT_DELETE => {
            let lines = script.progress.iter().map(serde_json::to_string);
            let body: String = lines.map(|line| line.unwrap() + "\n").collect();
            Response::new(Full::from(body))
        }
        paths::LOGS => Response::new(Full::from(script.log.clone())),
        paths::SETTINGS if request.method() == hyper::Method::GET => json(200, &script.settings),
        paths::SETTINGS => change(script, &text),
        paths::SWARM => json(200, script.swarm.as_ref().expect("no swarm is asked for")),
        paths::RECLAIM => json(
            200,
            &Reclaimed {
                memory: Taken {
                    before_bytes: 3 << 30,
                    after_bytes: 1 << 30,
                },
                disk: Taken {
                    before_bytes: 5 << 30,
                    after_bytes: 9 << 29,
                },
            },
        ),
        paths::SHELL => {
            let exec: ExecRequest = serde_json::from_str(&text).unwrap();
            tokio::spawn(async move {
                let upgraded = hyper::upgrade::on(request).await.unwrap();
                // The command may leave before the program's end.
                let _ = run_program(exec, TokioIo::new(upgraded)).await;
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "Upgrade")
                .header("upgrade", "coracle-exec")
                .body(Full::default())
                .unwrap()
        }
        _ => panic!("no such path: {path}"),
    })
}

fn change(script: &Script, body: &str) -> Response<Full<Bytes>> {
    if let Some(refusal) = &script.refusal {
        return json(400, refusal);
    }
    let changes: Vec<SettingChange> = serde_json::from_str(body).unwrap();
    let changed = changes
        .into_iter()
        .map(|change| setting(&change.key, change.value))
        .collect();
    json(
        200,
        &SettingsChanged {
            changed,
            restart_needed: true,
        },
    )
}

fn json(status: u16, body: &impl Serialize) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::from(serde_json::to_vec(body).unwrap()))
        .unwrap()
}

/// A program that tells its size and every change of it, returns its input, and ends
/// with 7 at the end of input or with 3 after a `q`; `die` ends without a word.
async fn run_program(
    request: ExecRequest,
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) -> std::io::Result<()> {
    if request.argv == ["die"] {
        return Ok(());
    }
    let size = |size: exec::TerminalSize| {
        ExecFrame::Stdout(format!("<{}x{}>", size.rows, size.columns).into_bytes())
    };
    if let Some(first) = request.tty {
        exec::write(&mut stream, &size(first)).await?;
    }
    while let Some(frame) = exec::read(&mut stream).await? {
        let reply = match frame {
            ExecFrame::Stdin(bytes) if bytes.is_empty() => {
                exec::write(&mut stream, &ExecFrame::Stderr(b"bye\n".to_vec())).await?;
                ExecFrame::Exit(7)
            }
            ExecFrame::Stdin(bytes) if bytes == b"q" => ExecFrame::Exit(3),
            ExecFrame::Stdin(bytes) => ExecFrame::Stdout(bytes),
            ExecFrame::Resize(now) => size(now),
            other => panic!("not for a program: {other:?}"),
        };
        exec::write(&mut stream, &reply).await?;
        if let ExecFrame::Exit(_) = reply {
            break;
        }
    }
    Ok(())
}
