//! Very many connections, containers and ports, and nothing left of them.

mod connections;
mod containers;
mod footprint;

pub(crate) use containers::in_turns;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "limits",
    tests: tests![
        connections::two_thousand_through_one_port,
        containers::many_at_once_with_a_port_each,
        containers::started_and_stopped_many_times,
    ],
};
