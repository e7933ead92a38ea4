//! A screen, a session bus and a panel, with the app in them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use coracle_vm_harness::{Coracle, Live, Program};

use super::page::Page;
use super::picture;
use super::screen::Screen;
use super::tray::{Panel, Tray};

/// Where the sample listens: its own port may be somebody's.
pub(crate) const SAMPLE_PORT: &str = "18097";

/// Where Xfce's settings are; the bus starts who reads them.
const CONFIGURATION: &str = "XDG_CONFIG_HOME";

/// What the app sets for itself, unless it is set.
const OWN_VARIABLES: [&str; 6] = [
    "WEBKIT_DISABLE_COMPOSITING_MODE",
    "WEBKIT_DISABLE_DMABUF_RENDERER",
    "WEBKIT_WEB_RENDER_DEVICE_FILE",
    "GDK_GL",
    "JSC_useDFGJIT",
    "MALLOC_ARENA_MAX",
];

/// Of one test; everything in it ends with it.
pub(crate) struct Desktop<'a> {
    coracle: &'a Coracle,
    panel: Panel,
    display: String,
    address: String,
    folder: PathBuf,
    // In the order in which they end.
    _bus: Live,
    _screen: Live,
}

impl<'a> Desktop<'a> {
    /// With nothing on it but a panel.
    pub(crate) fn new(coracle: &'a Coracle) -> Result<Self> {
        let folder = coracle.work("desktop")?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let mut screen = Live::start(
            coracle
                .program("Xvfb")
                .args([
                    "-displayfd",
                    "1",
                    "-screen",
                    "0",
                    "1280x900x24",
                    "-nolisten",
                    "tcp",
                    // A white ground, and what is on it in a file.
                    "-wr",
                    "-fbdir",
                ])
                .arg(&folder),
        )?;
        let number = screen.line(|line| line.parse::<u32>().is_ok())?;
        let mut bus = Live::start(
            coracle
                .program("dbus-daemon")
                .args(["--session", "--nofork", "--nopidfile", "--print-address"])
                .env(CONFIGURATION, folder.join("configuration")),
        )?;
        let address = bus.line(|line| line.starts_with("unix:"))?;
        for (name, noted) in [("xdg-open", "opened"), ("code", "edited")] {
            let program = folder.join(name);
            let noted = folder.join(noted);
            // What the app sets for itself must not reach them.
            let own: String = OWN_VARIABLES.map(|name| format!("${name}")).concat();
            let script = format!("#!/bin/sh\necho \"$1{own}\" >>{}\n", noted.display());
            fs::write(&program, script)?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self {
            coracle,
            panel: Panel::new(&address)?,
            display: format!(":{number}"),
            address,
            folder,
            _bus: bus,
            _screen: screen,
        })
    }

    /// The app without a window, and its tray.
    pub(crate) fn in_tray(&self) -> Result<(Live, Tray)> {
        let app = Live::start(self.app()?.arg("--tray"))?;
        let tray = self.panel.next()?;
        Ok((app, tray))
    }

    /// The app as it comes with the session, and its tray.
    pub(crate) fn at_login(&self) -> Result<(Live, Tray)> {
        let app = Live::start(self.app()?.args(["--tray", "--start"]))?;
        let tray = self.panel.next()?;
        Ok((app, tray))
    }

    /// The app with its window, as a WebDriver starts it, and its tray.
    pub(crate) fn with_window(&self) -> Result<(Page, Tray)> {
        let driver = self
            .program("WebKitWebDriver")
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true");
        let page = Page::open(driver, &self.path())?;
        let tray = self.panel.next()?;
        Ok((page, tray))
    }

    /// Xfce's panel, which shows the icons that have been announced until then.
    pub(super) fn panel(&self) -> Result<Live> {
        let configuration = self.folder.join("configuration");
        let channels = configuration.join("xfce4/xfconf/xfce-perchannel-xml");
        fs::create_dir_all(&channels)?;
        let panel = include_str!("xfce4-panel.xml");
        fs::write(channels.join("xfce4-panel.xml"), panel)?;
        // There is no window manager here.
        let panel = self.program("xfce4-panel").arg("--disable-wm-check");
        Live::start(panel.env(CONFIGURATION, configuration))
    }

    /// What is on the screen now.
    pub(super) fn screen(&self) -> Result<Screen> {
        Screen::read(&self.folder.join("Xvfb_screen0"))
    }

    /// Keeps a picture of the screen, if pictures are wanted. (WebDriver's own of a page waits without end where
    /// nothing moves.)
    pub(super) fn picture(&self, name: &str) -> Result<()> {
        picture::keep(name, || {
            // What the page says has been drawn by then.
            thread::sleep(Duration::from_secs(1));
            self.screen()?.png()
        })
    }

    /// Moves mouse and keys, by the words of xdotool.
    pub(super) fn hands<'b>(&self, words: impl IntoIterator<Item = &'b str>) -> Result<()> {
        self.program("xdotool").args(words).ok().map(drop)
    }

    /// What the next notification says.
    pub(crate) fn notified(&self) -> Result<String> {
        self.panel.notified()
    }

    /// The app, to be started.
    pub(crate) fn app(&self) -> Result<Program> {
        Ok(self.program(self.path()))
    }

    /// What the browser was told to open, a line each.
    pub(crate) fn opened(&self) -> Result<String> {
        self.noted("opened")
    }

    /// What the editor was told to open, a line each.
    pub(crate) fn edited(&self) -> Result<String> {
        self.noted("edited")
    }

    fn noted(&self, name: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))
    }

    fn path(&self) -> PathBuf {
        self.coracle.places().programs.join("coracle-app")
    }

    fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Program {
        let path = std::env::var("PATH").unwrap_or_default();
        let program = self
            .coracle
            .program(program)
            .env("PATH", format!("{}:{path}", self.folder.display()))
            .env("SAMPLE_PORT", SAMPLE_PORT)
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env_remove("WAYLAND_DISPLAY");
        OWN_VARIABLES.into_iter().fold(program, Program::env_remove)
    }
}
