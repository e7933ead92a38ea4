//! The engine through its socket, as against a native one.

mod build;
mod compose;
mod daemon;
mod images;
mod restart;
mod run;
mod sdk;
mod socket;
mod streams;
mod user;

use crate::suite::{Suite, tests};

/// With everything in order.
pub(crate) const SUITE: Suite = Suite {
    name: "engine",
    tests: tests![
        run::version_and_info,
        run::context_leads_to_the_engine,
        run::run_gives_output_and_exit_code,
        run::run_in_a_terminal,
        run::terminal_takes_the_size_of_its_window,
        streams::input_reaches_a_container,
        streams::ten_megabytes_come_back_after_the_end_of_input,
        streams::exec,
        streams::exec_in_a_terminal,
        streams::attach,
        streams::copy_file_and_folder_both_ways,
        streams::logs_follow,
        streams::events_come_live,
        streams::stats_once_and_live,
        build::build,
        build::build_with_the_old_builder,
        build::buildx_with_a_secret,
        build::buildx_with_an_ssh_agent,
        images::load_and_save_500_mb,
        compose::project_up_logs_exec_down,
        compose::standalone_command,
        compose::version_2_file_with_links,
        compose::watch,
        compose::voting_app,
        sdk::sdk_run,
        sdk::sdk_logs_stream,
        sdk::sdk_exec,
        sdk::sdk_attach_socket,
        sdk::sdk_events,
        sdk::sdk_archive,
        sdk::sdk_build,
        socket::only_the_user_may_open_it,
        socket::mounted_socket_leads_to_the_same_engine,
        daemon::second_daemon_is_refused,
        daemon::settings_out_of_range_are_refused,
        daemon::diagnose_has_no_secrets,
    ],
};

/// Stopped and started. By the same name, since it is the same suite; run last, since a
/// defect here takes the VM from every test after it.
pub(crate) const LIFE: Suite = Suite {
    name: "engine",
    tests: tests![
        restart::stop_is_told_to_clients_and_start_keeps_everything,
        restart::newer_image_boots_on_an_older_data_disk,
    ],
};

/// What an ordinary user does first, with no process of root.
pub(crate) const USER: Suite = Suite {
    name: "user",
    tests: tests![
        user::no_process_of_root,
        run::version_and_info,
        run::run_gives_output_and_exit_code,
        run::run_in_a_terminal,
        streams::input_reaches_a_container,
        build::build,
        compose::project_up_logs_exec_down,
    ],
};
