//! A daemon in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coracle_daemon_api::{
    ApiError, Client, DaemonNews, StartOptions, Status, StopOptions, VmState,
};
use coracle_host_paths::HostPaths;
use coracle_vm_driver::fake::FakeDriver;
use coracled::{Claim, HostClock, HostFacts, Limits, Options};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::guest::{Guest, Script, Token};

/// Far more than anything here takes, so that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) paths: HostPaths,
    pub(crate) driver: FakeDriver,
    pub(crate) client: Client,
    pub(crate) options: Options,
    signals: mpsc::Sender<()>,
    daemon: Option<JoinHandle<Result<(), ApiError>>>,
}

/// Limits of a daemon that has no reason to wait.
pub(crate) fn limits() -> Limits {
    Limits {
        hello: PATIENCE,
        engine: PATIENCE,
        shutdown: PATIENCE,
        sync: PATIENCE,
        kill: PATIENCE,
        answer: PATIENCE,
        still: Duration::from_millis(10),
        back_off: Duration::from_millis(10),
        restarts: 2,
        window: PATIENCE,
    }
}

/// A folder with an image in it, and what a daemon there is given.
pub(crate) fn options(
    folder: &TempDir,
    driver: &FakeDriver,
    limits: Limits,
) -> (HostPaths, Options) {
    let home = folder.path().join("u");
    let image = folder.path().join("image");
    let paths = HostPaths::at(home.join(".coracle")).unwrap();
    paths.create().unwrap();
    fs::create_dir_all(&image).unwrap();
    write_manifest(&image, "7+abc");
    for name in ["vmlinuz", "initramfs.img", "root.squashfs"] {
        let file = fs::File::create(image.join(name)).unwrap();
        file.set_len(2 << 20).unwrap();
    }
    let options = Options {
        image_dir: image,
        driver: Arc::new(driver.clone()),
        facts: HostFacts {
            cpus: 4,
            memory_mib: 16 << 10,
            user_home: Some(home),
            state: paths.home().into(),
            data_disk: paths.data_disk(),
            proxies: coracled::Proxies::default(),
        },
        limits,
        clock: HostClock::default(),
    };
    (paths, options)
}

fn write_manifest(image: &Path, version: &str) {
    let manifest = serde_json::json!({"version": version, "arch": std::env::consts::ARCH});
    fs::write(image.join("manifest.json"), manifest.to_string()).unwrap();
}

impl Bench {
    /// A daemon that answers.
    pub(crate) async fn new() -> Self {
        Self::with(limits()).await
    }

    /// As an upgrade does.
    pub(crate) fn replace_image(&self) {
        write_manifest(&self.options.image_dir, "8+def");
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let driver = FakeDriver::default();
        let (paths, options) = options(&folder, &driver, limits);
        let (signals, asked) = mpsc::channel(4);
        let claim = Claim::take(paths.clone()).unwrap();
        let daemon = tokio::spawn(coracled::run(claim, options.clone(), asked));
        let client = Client::new(&paths.daemon_socket());
        until("the daemon answers", async || client.hello().await.is_ok()).await;
        Self {
            folder,
            paths,
            driver,
            client,
            options,
            signals,
            daemon: Some(daemon),
        }
    }

    /// The home folder that is shared by default.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("u")
    }

    /// The next VM's guest, which then lives as the script says.
    pub(crate) async fn guest(&self, script: Script) -> Guest {
        until("a VM is started", async || self.driver.has_guest()).await;
        Guest::play(self.driver.take_guest().unwrap(), script)
    }

    /// The next VM's guest, which comes from saved memory.
    pub(crate) async fn woken(&self, token: Token) -> Guest {
        until("a VM is resumed", async || self.driver.has_guest()).await;
        Guest::go_on(self.driver.take_guest().unwrap(), Script::default(), token)
    }

    /// The next VM's guest, which comes from a snapshot.
    pub(crate) async fn returned(&self, token: Token) -> Guest {
        until("a VM is resumed", async || self.driver.has_guest()).await;
        Guest::go_back(self.driver.take_guest().unwrap(), Script::default(), token)
    }

    /// Starts and plays a guest without troubles.
    pub(crate) async fn up(&self) -> Guest {
        let options = StartOptions::default();
        let (started, guest) = tokio::join!(
            self.client.start(&options, |_| {}),
            self.guest(Script::default())
        );
        assert_eq!(started.unwrap().vm.state, VmState::Running);
        guest
    }

    pub(crate) async fn status(&self) -> Status {
        self.client.status().await.unwrap()
    }

    /// Waits for a status that fits.
    pub(crate) async fn status_when(&self, fits: impl Fn(&Status) -> bool) -> Status {
        self.news_when(|news| fits(&news.status)).await.status
    }

    /// Waits for news that fit.
    pub(crate) async fn news_when(&self, fits: impl Fn(&DaemonNews) -> bool) -> DaemonNews {
        let mut found = None;
        let events = self.client.events(|news| {
            let go_on = !fits(&news);
            found = Some(news);
            go_on
        });
        match timeout(PATIENCE, events).await {
            Ok(ended) => ended.unwrap(),
            Err(_) => panic!("the news never fitted, last {found:#?}"),
        }
        found.unwrap()
    }

    pub(crate) async fn in_state(&self, state: VmState) -> Status {
        self.status_when(|status| status.vm.state == state).await
    }

    /// As SIGTERM does.
    pub(crate) async fn terminate(&self) {
        self.signals.send(()).await.unwrap();
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) async fn ended(&mut self) -> Result<(), ApiError> {
        let daemon = self.daemon.take().unwrap();
        timeout(PATIENCE, daemon).await.unwrap().unwrap()
    }

    pub(crate) async fn quit(&mut self) {
        let options = StopOptions {
            quit: true,
            shutdown: true,
            ..StopOptions::default()
        };
        self.client.stop(&options, |_| {}).await.unwrap();
        self.ended().await.unwrap();
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(PATIENCE, wait).await.is_err() {
        panic!("never: {what}");
    }
}
