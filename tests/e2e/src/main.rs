//! Tests against the real VM, driven by the real docker CLI, compose and Python SDK.
//!
//! `coracle-e2e [--suite NAME]… [libtest's options] [FILTER]`: every test is a line of libtest's.
//! Most of bad input needs no VM. One VM serves all the others; the tests run one after another in
//! the order of the suites here, those that kill parts of Coracle last. Normally started by
//! `cargo xtask test`. `coracle-e2e --watch FOLDER` is the watching program of the suite `events`.

mod badinput;
mod crash;
mod debug;
mod dice;
mod engine;
mod events;
mod files;
mod gui;
mod images;
mod limits;
mod names;
mod ports;
mod reclaim;
mod registry;
mod reload;
mod skips;
mod snapshot;
mod suite;
mod suspend;
mod swarm;
mod synced;
mod times;

use std::process::ExitCode;

use suite::Suite;

const WITHOUT_VM: &[Suite] = &[badinput::SUITE, events::TABLE, gui::STORY];

const IN_VM: &[Suite] = &[
    engine::USER,
    engine::SUITE,
    ports::SUITE,
    files::SUITE,
    events::SUITE,
    reload::SUITE,
    // Before what leaves the guest's memory in small pieces: those take the kernel minutes to tell of.
    reclaim::SUITE,
    swarm::SUITE,
    names::SUITE,
    registry::SUITE,
    debug::SUITE,
    badinput::IN_VM,
    limits::SUITE,
    suspend::SUITE,
    snapshot::SUITE,
    gui::SUITE,
    crash::SUITE,
    engine::LIFE,
    badinput::LIFE,
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "--watch") {
        let folder = arguments.next().unwrap_or_default();
        return match events::watch(folder.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    match suite::run(WITHOUT_VM, IN_VM) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
