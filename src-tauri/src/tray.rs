//! What the tray shows: an icon for the state, a menu for what can be done.

pub(crate) mod icon;
pub(crate) mod menu;
