use std::path::PathBuf;

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write them; it must be there
    folder: PathBuf,
}

/// For those who pack the command: a page a verb, `coracle-start.1`.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(|error| {
        Failure::host(format!("cannot write {}", args.folder.display()), &error)
    })?;
    Ok(0)
}
