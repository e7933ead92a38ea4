//! Debug sessions of processes that already run, by the debuggers themselves.

mod access;
mod badinput;
mod busy;
mod python;
mod session;
mod sessions;
mod voting;

use crate::suite::{Suite, tests};

pub(crate) use session::Session;

pub(crate) const SUITE: Suite = Suite {
    name: "debug",
    tests: tests![
        voting::all_three_of_the_voting_app,
        sessions::listed_stopped_and_ended_with_the_container,
        sessions::service_of_a_swarm_and_its_next_replica,
        sessions::configuration_is_added_to_launch_json,
        access::not_from_a_container_through_the_gateway,
        access::not_by_another_user,
        busy::attached_and_detached_again_and_again,
        badinput::process_that_ends_is_told,
        badinput::stripped_binary,
        badinput::second_client_of_the_same_process,
        badinput::garbage_on_the_port,
        badinput::container_without_shell_and_with_read_only_root,
        badinput::what_is_not_there,
    ],
};
