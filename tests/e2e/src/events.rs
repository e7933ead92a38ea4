//! Edits on the host as inotify events in containers.

mod conformance;
mod echo;
mod edits;
mod operations;
mod overflow;
mod table;
mod watcher;
mod without_module;

use crate::suite::{Suite, tests};

pub(crate) use watcher::watch;

pub(crate) const SUITE: Suite = Suite {
    name: "events",
    tests: tests![
        conformance::containers_see_what_a_native_watcher_sees,
        conformance::a_single_file_that_is_mounted_tells_of_itself,
        edits::each_edit_is_read_back_on_its_event,
        echo::what_a_container_does_is_not_played_back,
        echo::what_a_container_creates_is_not_played_back,
        echo::an_edit_keeps_its_times_and_owner,
        echo::an_edit_after_a_containers_own_is_told,
        overflow::a_checkout_of_20000_files_ends_in_the_last_state,
        without_module::the_rest_is_delivered_and_status_says_so,
    ],
};

/// Needs no VM: what the table says is what happens natively.
pub(crate) const TABLE: Suite = Suite {
    name: "events",
    tests: tests![table::the_documented_table_is_current],
};
