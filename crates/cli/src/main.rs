//! The `coracle` command: a thin client of the host daemon.
//!
//! A module per verb is under `verb`; the rest is what several verbs share.
//! Results go to stdout, progress and errors to stderr; with `--json` stdout
//! carries JSON alone. `docs/command.md` is the contract of both and of the exit codes.

mod args;
mod confirm;
mod default_socket;
mod docker_context;
mod docker_plugins;
mod durations;
mod failure;
mod launch;
mod output;
mod platform;
mod progress;
mod scrub;
mod session;
mod sizes;
mod verb;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let output = output::Output { json: cli.json };
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failure::Failure::from)
        .and_then(|runtime| runtime.block_on(verb::run(&cli.verb, output)));
    ExitCode::from(match result {
        Ok(code) => code,
        Err(failure) => failure.report(output, cli.verb.streams_progress()),
    })
}
