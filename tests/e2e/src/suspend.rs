//! Suspend and resume: what runs goes on, and what goes wrong loses nothing.

mod cycle;
mod cycles;
mod damage;
mod debugger;
mod host;
pub(crate) mod idle;
mod interrupted;
mod network;
mod scene;
mod times;

use crate::suite::{Suite, tests};

pub(crate) use cycle::{boot_id, daemon_killed_after, is_suspended, resume, suspend};

pub(crate) const SUITE: Suite = Suite {
    name: "suspend",
    tests: tests![
        cycles::everything_goes_on,
        debugger::steps_go_on,
        network::goes_on_in_another_network,
        idle::sleeps_until_it_is_used,
        idle::suspended_until_it_is_used,
        damage::no_room_for_the_memory,
        interrupted::stop_again_while_it_suspends,
        interrupted::suspended_during_a_load_and_a_build,
        interrupted::hypervisor_killed_while_it_suspends,
        interrupted::daemon_killed_while_it_suspends,
        interrupted::daemon_killed_while_it_resumes,
        damage::damaged_memory_is_set_aside,
        damage::another_shape_is_set_aside,
    ],
};
