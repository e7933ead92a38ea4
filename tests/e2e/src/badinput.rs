//! Wrong settings, missing and damaged parts, full disks, occupied sockets, hostile clients: one
//! clear sentence with the remedy, an exit code of its own, and nothing lost.

mod clients;
mod disks;
mod engine_config;
mod host;
mod image;
mod privately;
mod settings;
mod sockets;

use anyhow::{Result, ensure};
use coracle_vm_harness::Program;

use crate::suite::{Suite, contains, tests};

/// Each test with a Coracle of its own that nobody has started.
pub(crate) const SUITE: Suite = Suite {
    name: "badinput",
    tests: tests![
        settings::unknown_or_out_of_range,
        settings::shared_folder_that_is_not_there,
        settings::broken_file,
        settings::file_broken_under_a_daemon,
        settings::unusable_state_folders,
        image::missing_image,
        image::truncated_image,
        image::damaged_manifest,
        host::no_hypervisor_installed,
        host::no_file_server_installed,
        host::full_disk_under_the_state_folder,
        sockets::file_in_the_way,
        sockets::socket_of_another_program,
        sockets::silent_program_on_the_daemons_socket,
        sockets::dead_daemon,
    ],
};

/// With the engine.
pub(crate) const IN_VM: Suite = Suite {
    name: "badinput",
    tests: tests![
        host::command_that_is_not_in_the_vm,
        clients::malformed_requests,
        clients::ten_megabytes_of_header,
        clients::clients_that_vanish,
        engine_config::refused_by_the_running_engine,
        disks::full_data_disk,
    ],
};

/// Takes the VM from the others for a while.
pub(crate) const LIFE: Suite = Suite {
    name: "badinput",
    tests: tests![disks::full_host, engine_config::refused_at_start,],
};

/// Fails unless the program ends with this code and one line of error that has all the parts.
fn refuses(program: Program, code: i32, parts: &[&str]) -> Result<()> {
    let outcome = program.run()?;
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    ensure!(
        outcome.status.code() == Some(code),
        "{} instead of {code}\n{}",
        outcome.status,
        outcome.all()
    );
    let errors: Vec<_> = said.lines().filter(|line| !is_progress(line)).collect();
    ensure!(
        errors.len() == 1 && errors[0].starts_with("coracle: "),
        "it should say one sentence, and said\n{said}"
    );
    ensure!(!said.contains("panicked"), "{said}");
    contains(errors[0], parts)
}

/// A line as `checking: …`, which is not part of the error.
fn is_progress(line: &str) -> bool {
    ["checking", "preparing", "booting", "engine", "stopping"]
        .iter()
        .any(|stage| line.starts_with(&format!("{stage}: ")))
}
