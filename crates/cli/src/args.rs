//! The command line.

use clap::{Parser, Subcommand};

use crate::verb;

/// Docker on this computer, in a small Linux VM.
#[derive(Debug, Parser)]
#[command(
    name = "coracle",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "Example:\n  coracle start\n  docker context use coracle\n  docker run --rm hello-world"
)]
pub(crate) struct Cli {
    /// Write JSON to stdout instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the VM and its Docker engine
    Start(verb::start::Args),
    /// Stop the VM
    Stop(verb::stop::Args),
    /// Stop the VM and start it again
    Restart(verb::start::RestartArgs),
    /// Show whether it runs, and how well
    Status(verb::status::Args),
    /// Show a log
    Logs(verb::logs::Args),
    /// Open a shell in the VM, or run a command there
    Shell(verb::shell::Args),
    /// Keep the VM as it is now, and go back to what it was
    Snapshot(verb::snapshot::Args),
    /// Run services of many replicas: turn the engine's swarm on and off, show its services
    Swarm(verb::swarm::Args),
    /// Open a debug port for a process in a container
    Debug(verb::debug::Args),
    /// Show saved files on their way into containers, and how long each part takes
    Watch(verb::watch::Args),
    /// Give memory and disk that the VM can do without back to this computer
    Reclaim(verb::reclaim::Args),
    /// Read and change the settings
    Config(verb::config::Args),
    /// Have programs that look for Docker at its default socket find this engine
    DefaultSocket(verb::default_socket::Args),
    /// Collect logs, settings and facts about this computer into a tar file
    Diagnose(verb::diagnose::Args),
    /// Delete everything the engine holds
    Reset(verb::reset::Args),
    /// Print the completions for a shell
    Completion(verb::completion::Args),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    ManPages(verb::man_pages::Args),
    /// Show the versions of the parts
    Version(verb::version::Args),
}

impl Verb {
    /// Whether `--json` gives lines of progress rather than one document.
    pub(crate) fn streams_progress(&self) -> bool {
        match self {
            Self::Start(_) | Self::Stop(_) | Self::Restart(_) | Self::Reset(_) => true,
            Self::Snapshot(args) => args.action.streams_progress(),
            _ => false,
        }
    }
}
