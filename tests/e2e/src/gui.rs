//! The real app on a screen of its own: its tray over D-Bus as a desktop's panel has it, its window
//! by WebDriver.

mod desktop;
mod lost;
mod many;
mod menu;
mod page;
mod panel;
mod panes;
mod picture;
mod screen;
mod story;
mod terminal;
mod tray;
mod used;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "gui",
    tests: tests![
        used::the_tray_suspends_and_starts,
        used::the_vm_comes_with_the_session,
        used::the_tray_asks_before_suspend_is_a_shutdown,
        used::the_tray_lists_containers,
        used::the_window_shows_and_stops_a_container,
        used::a_second_app_is_the_first,
        panel::a_panel_shows_the_menu,
        panes::a_terminal_in_a_container,
        panes::what_the_engine_keeps,
        many::containers_and_a_long_log,
        lost::a_daemon_that_hangs,
        lost::a_daemon_that_is_killed,
        lost::a_daemon_of_a_newer_version,
    ],
};

/// Without the shared VM: it is about the first one.
pub(crate) const STORY: Suite = Suite {
    name: "gui",
    tests: tests![story::from_the_first_run_to_quit],
};
