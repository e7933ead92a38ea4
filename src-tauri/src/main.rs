//! The tray app: a thin client of the daemon, and of the engine through the daemon's socket.
//!
//! `coracle-app [--tray] [--start]`: with `--tray` the dashboard stays closed until it is asked for, with `--start` the VM
//! starts, if there is one.
//! [`controller`] is the app; [`desktop`] and [`commands`] are the two sides that touch tauri.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod action;
mod commands;
mod controller;
mod daemon;
mod default_socket;
mod desktop;
mod edits;
mod engine;
mod followed;
mod launch;
mod letters;
mod login;
mod logs;
mod notices;
mod platform;
mod sample;
mod terminal;
mod tray;
mod view;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod types;

use std::process::ExitCode;

use coracle_daemon_api::ErrorCode;
use coracle_host_paths::HostPaths;
use desktop::Begin;
use tracing_subscriber::EnvFilter;

const HELP: &str = "\
The tray app of Coracle: containers, images and the VM at a glance

Usage: coracle-app [--tray] [--start]

Options:
      --tray   Leave the dashboard closed until it is asked for
      --start  Start the VM, if there is one and no app runs yet
  -h, --help   Print help

Example:
  coracle-app --tray --start";

fn main() -> ExitCode {
    platform::spare_memory();
    let filter = EnvFilter::try_from_env("CORACLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let mut begin = Begin::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--tray" => begin.hidden = true,
            "--start" => begin.start = true,
            "-h" | "--help" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("coracle-app: {other} is not understood; see coracle-app --help");
                return ErrorCode::InvalidInput.exit_code().into();
            }
        }
    }
    if let Err(missing) = platform::check_desktop() {
        eprintln!("coracle-app: {missing}");
        return ErrorCode::Missing.exit_code().into();
    }
    // The folder is the user's alone from its first moment.
    let made = HostPaths::from_env().and_then(|paths| paths.create().map(|()| paths));
    let paths = match made {
        Ok(paths) => paths,
        Err(error) => {
            eprintln!("coracle-app: {error}");
            return ErrorCode::InvalidInput.exit_code().into();
        }
    };
    match desktop::run(&paths, begin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coracle-app: the desktop refused: {error}");
            ErrorCode::Host.exit_code().into()
        }
    }
}
