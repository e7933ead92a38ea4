//! Programs in containers that run the code that was just saved on the host.

mod labels;
mod watch;
mod watching;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "reload",
    tests: tests![
        labels::each_label_does_what_it_says,
        labels::paths_choose_the_files,
        labels::what_a_reload_writes_reloads_nothing,
        labels::a_wrong_label_is_told,
        watch::each_step_of_a_save_is_shown,
        watching::programs_that_watch_reload_by_themselves,
    ],
};
