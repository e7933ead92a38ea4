//! The project's automation: `cargo xtask <verb>`, a module per verb.

mod apt;
mod arch;
mod bench;
mod check;
mod checkout;
mod debian;
mod demo;
mod digest;
mod dist;
mod gui;
mod image;
mod page;
mod process;
mod samples;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's automation")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measure us and others in turn, and write target/bench/report.md
    Bench(bench::Options),
    /// Formatting, lints, dependency rules, licences: what CI checks before it tests
    Check,
    /// Install, build, boot the VM, run the voting app and cast a vote
    Demo,
    /// Make the Debian package in target/dist
    Dist(dist::Options),
    /// Build the tray app and start it
    Gui,
    /// Install the host's packages that are missing, or print the apt line that does
    Setup,
    /// Make the VM image in target/image/<arch>
    Image(image::Options),
    /// Make the sample images in target/samples, ready for `docker load`
    Samples(samples::Options),
    /// Run the tests: unit, and in the real VM engine, ports, files
    Test(test::Options),
    /// Write the types that the page of the app shares with Rust
    Types,
    /// Put virtiofsd, compose, buildx and, at need, the docker CLI in target/tools
    Tools(tools::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that returning it from here may print.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Bench(options) => bench::run(&options),
        Verb::Check => check::run(),
        Verb::Demo => demo::run(),
        Verb::Dist(options) => dist::run(&options),
        Verb::Gui => gui::run(),
        Verb::Setup => apt::setup(),
        Verb::Image(options) => image::run(&options),
        Verb::Samples(options) => samples::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Types => page::types(),
        Verb::Tools(options) => tools::run(&options),
    }
}
