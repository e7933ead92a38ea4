//! Any part killed at any moment, and the power cut: what was synced is there, and the engine answers again
//! without a hand.

mod disk;
mod kills;
mod load;
mod power;
mod record;
mod recorder;
mod write_log;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "crash",
    tests: tests![
        kills::each_part_killed_at_random_moments,
        power::power_cut_at_random_moments,
    ],
};
