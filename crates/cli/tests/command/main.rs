//! The binary against a fake daemon: what people and programs see of it.

mod command_line;
mod config;
mod diagnose;
mod fake_daemon;
mod home;
mod logs;
mod reclaim;
mod shell;
mod snapshot;
mod start;
mod status;
mod swarm;
mod terminal;
