//! What the loop needs of a desktop.

use coracle_daemon_api::ApiError;

use crate::tray::icon::{Icon, Shade};
use crate::tray::menu::{self, Item};
use crate::view::{Mood, View};

/// A desktop with a tray, a window and a browser. Nothing here may block, but a browser that is started, for a quarter of a second.
pub(crate) trait Gui: Send {
    /// The page shows what is known; called after every event.
    fn show(&mut self, view: &View);

    /// The tray shows this; called after every event, so that it must see for itself what is new.
    fn tray(&mut self, tray: Tray);

    /// The dashboard comes to the front, at a place of the page.
    fn open(&mut self, place: &str);

    /// The browser shows the page at an address of this host.
    fn browse(&mut self, address: &str) -> Result<(), ApiError>;

    /// Something that nobody waits for has failed.
    fn complain(&mut self, error: &ApiError);

    /// Something has gone wrong, whether or not a window is open.
    fn notify(&mut self, sentence: &str);

    /// The app ends, once what it has begun elsewhere is ended, too.
    fn quit(&mut self);
}

/// The tray's face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tray {
    /// The icon.
    pub(crate) icon: Icon,
    /// What it says in words.
    pub(crate) title: String,
    /// The menu.
    pub(crate) menu: Vec<Item>,
}

impl Tray {
    pub(super) fn of(view: &View, frame: u8, on_dark: bool) -> Self {
        let mood = view.mood();
        Self {
            icon: Icon {
                mood,
                frame: if mood == Mood::Starting { frame } else { 0 },
                shade: if on_dark {
                    Shade::OnDark
                } else {
                    Shade::OnLight
                },
            },
            title: menu::state_line(view),
            menu: menu::of(view),
        }
    }
}
