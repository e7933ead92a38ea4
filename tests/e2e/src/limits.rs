//! Very many connections, containers and ports, and nothing left of them.
//!
//! `CORACLE_LIMIT_CYCLES` is how often a container is started and stopped (50),
//! `CORACLE_LIMIT_CONTAINERS` how many run at once (20).

mod connections;
mod containers;
mod footprint;

use anyhow::{Context, Result};

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "limits",
    tests: tests![
        connections::two_thousand_through_one_port,
        containers::many_at_once_with_a_port_each,
        containers::started_and_stopped_many_times,
    ],
};

/// How many, as the environment says.
fn count(variable: &str, usual: usize) -> Result<usize> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable} is no number: {text:?}")),
        Err(_) => Ok(usual),
    }
}
