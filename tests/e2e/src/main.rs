//! Tests against the real VM, driven by the real docker CLI, compose and Python SDK.
//!
//! `coracle-e2e [--suite NAME]… [libtest's options] [FILTER]`: every test is a line of libtest's.
//! One VM serves all; the tests run one after another in the order of the suites here, those
//! that kill parts of Coracle last. Normally started by `cargo xtask test`.

mod engine;
mod files;
mod images;
mod ports;
mod skips;
mod suite;

use std::process::ExitCode;

use suite::Suite;

const SUITES: &[Suite] = &[
    engine::USER,
    engine::SUITE,
    ports::SUITE,
    files::SUITE,
    engine::LIFE,
];

fn main() -> ExitCode {
    match suite::run(SUITES) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
