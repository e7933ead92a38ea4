//! Suspend and resume: what runs goes on, and what goes wrong loses nothing.

mod cycle;
mod damage;
mod interrupted;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "suspend",
    tests: tests![
        damage::no_room_for_the_memory,
        interrupted::stop_again_while_it_suspends,
        interrupted::hypervisor_killed_while_it_suspends,
        damage::damaged_memory_is_set_aside,
    ],
};
