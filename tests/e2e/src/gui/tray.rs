//! A panel as far as a tray needs one: the watcher where icons are announced, and who reads them.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::sync::mpsc;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::patience;
use zbus::blocking::{Connection, connection::Builder};
use zbus::interface;
use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use super::menu::Entry;
use super::screen::Colour;

/// Where the colour of the icon's dot is, in parts of its edge.
const DOT: (f32, f32) = (0.78, 0.24);

/// What the dot's colours say.
const STATES: [(Colour, &str); 5] = [
    ([74, 158, 255], "starting"),
    ([52, 199, 89], "running"),
    ([150, 130, 220], "asleep"),
    ([255, 176, 32], "degraded"),
    ([240, 68, 56], "error"),
];

/// Serves `org.kde.StatusNotifierWatcher`.
pub(crate) struct Panel {
    connection: Connection,
    announced: mpsc::Receiver<(String, String)>,
    notified: mpsc::Receiver<String>,
}

struct Watcher {
    announced: mpsc::Sender<(String, String)>,
    /// Sender and path in one, for a panel that comes later.
    items: Vec<String>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&mut self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string);
        let sender = sender.unwrap_or_default();
        self.items.push(format!("{sender}{service}"));
        let _ = self.announced.send((sender, service.to_owned()));
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.clone()
    }
}

/// Shows notifications to nobody but the test.
struct Notifications {
    shown: mpsc::Sender<String>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments)] // As the standard has it.
    fn notify(
        &self,
        _app: &str,
        _replaces: u32,
        _icon: &str,
        _summary: &str,
        body: &str,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let _ = self.shown.send(body.to_owned());
        1
    }

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".into()]
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ["panel", "coracle", "1", "1.2"].map(str::to_owned).into()
    }
}

impl Panel {
    pub(crate) fn new(address: &str) -> Result<Self> {
        let (sender, announced) = mpsc::channel();
        let watcher = Watcher {
            announced: sender,
            items: Vec::new(),
        };
        let (shown, notified) = mpsc::channel();
        let connection = Builder::address(address)?
            .serve_at("/StatusNotifierWatcher", watcher)?
            .serve_at("/org/freedesktop/Notifications", Notifications { shown })?
            .name("org.kde.StatusNotifierWatcher")?
            .name("org.freedesktop.Notifications")?
            .build()
            .context("no panel on the session bus")?;
        Ok(Self {
            connection,
            announced,
            notified,
        })
    }

    /// The notification that is shown next.
    pub(crate) fn notified(&self) -> Result<String> {
        let shown = self.notified.recv_timeout(patience());
        shown.context("no notification was shown")
    }

    /// The icon that is announced next.
    pub(crate) fn next(&self) -> Result<Tray> {
        let (owner, path) = self
            .announced
            .recv_timeout(patience())
            .context("no icon came into the tray")?;
        Ok(Tray {
            connection: self.connection.clone(),
            owner,
            path,
        })
    }
}

/// An icon in the tray.
pub(crate) struct Tray {
    connection: Connection,
    owner: String,
    path: String,
}

impl Tray {
    /// The state that the icon shows, by the colour of its dot.
    pub(crate) fn state(&self) -> Result<&'static str> {
        let Some(dot) = self.colour()? else {
            return Ok("stopped");
        };
        let state = STATES.iter().find(|(colour, _)| *colour == dot);
        let (_, state) = state.with_context(|| format!("no state has the colour {dot:?}"))?;
        Ok(state)
    }

    /// The colour of the icon's dot; none if there is no dot.
    pub(super) fn colour(&self) -> Result<Option<Colour>> {
        let icon = String::try_from(self.property("IconName")?)?;
        let file = File::open(&icon).with_context(|| icon.clone())?;
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info()?;
        let mut pixels = vec![0; reader.output_buffer_size().context("too large")?];
        let info = reader.next_frame(&mut pixels)?;
        let at = |part: f32, edge: u32| (part * edge as f32) as usize;
        let first = (at(DOT.1, info.height) * info.width as usize + at(DOT.0, info.width)) * 4;
        let dot = pixels.get(first..first + 4).context("a small icon")?;
        Ok((dot[3] != 0).then(|| [dot[0], dot[1], dot[2]]))
    }

    /// Fails unless the icon shows this state.
    pub(crate) fn shows(&self, state: &str) -> Result<()> {
        let now = self.state()?;
        ensure!(now == state, "the tray shows {now} and not {state}");
        Ok(())
    }

    /// The menu as it is now.
    pub(crate) fn menu(&self) -> Result<Vec<Entry>> {
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let arguments = (0_i32, -1_i32, Vec::<&str>::new());
        let reply = self.menu_call("GetLayout", &arguments)?;
        let (_, (_, _, entries)): Layout = reply.body().deserialize()?;
        entries.iter().map(|entry| Entry::read(entry)).collect()
    }

    /// Clicks an entry, named by its labels from the top.
    pub(crate) fn click(&self, labels: &[&str]) -> Result<()> {
        let menu = self.menu()?;
        let entry = super::menu::find(&menu, labels)?;
        ensure!(entry.enabled, "{labels:?} is disabled");
        let arguments = (entry.id, "clicked", Value::from(0_i32), 0_u32);
        self.menu_call("Event", &arguments)?;
        Ok(())
    }

    /// Fails unless the menu has the entry, and it can be clicked.
    pub(crate) fn offers(&self, labels: &[&str]) -> Result<()> {
        let menu = self.menu()?;
        let entry = super::menu::find(&menu, labels)?;
        ensure!(entry.enabled, "{labels:?} is disabled");
        Ok(())
    }

    fn menu_call<B>(&self, method: &str, arguments: &B) -> Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let path = OwnedObjectPath::try_from(self.property("Menu")?)?;
        let interface = Some("com.canonical.dbusmenu");
        let owner = Some(self.owner.as_str());
        Ok(self
            .connection
            .call_method(owner, path, interface, method, arguments)?)
    }

    fn property(&self, name: &str) -> Result<OwnedValue> {
        let reply = self.connection.call_method(
            Some(self.owner.as_str()),
            self.path.as_str(),
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &("org.kde.StatusNotifierItem", name),
        )?;
        let value: OwnedValue = reply.body().deserialize()?;
        Ok(value)
    }
}
