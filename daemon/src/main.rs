//! The host daemon's program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::HostPaths;

/// The host daemon of Coracle: runs the VM and serves its sockets, in the foreground
///
/// `coracle start` starts it as needed; nobody has to do it by hand. It ends by
/// `coracle stop --quit`, SIGTERM or SIGINT (a second one ends it at once).
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  coracled --home ~/.coracle-test\n  CORACLE_LOG=debug coracled"
)]
struct Arguments {
    /// State folder [default: CORACLE_HOME, else ~/.coracle]
    #[arg(long, value_name = "FOLDER")]
    home: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    coracled::privatize_new_files();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&host(&error)),
    };
    let outcome = runtime.block_on(serve(arguments));
    // What still blocks then (a probe, a file of a dead network share) ends with the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn serve(arguments: Arguments) -> Result<(), ApiError> {
    let paths = match arguments.home {
        Some(home) => HostPaths::at(home),
        None => HostPaths::from_env(),
    };
    let paths = paths.map_err(|error| ApiError::new(ErrorCode::InvalidInput, error.to_string()))?;
    let signals = coracled::signals().map_err(|error| host(&error))?;
    coracled::raise_descriptor_limit().map_err(|error| host(&error))?;
    let claim = coracled::Claim::take(paths.clone())?;
    // Only now: the log belongs to whoever owns the folder.
    coracled::log::start(&paths.daemon_log()).map_err(|error| host(&error))?;
    let options = coracled::options(&paths).map_err(|error| host(&error))?;
    coracled::run(claim, options, signals).await
}

fn host(error: &std::io::Error) -> ApiError {
    ApiError::new(ErrorCode::Host, error.to_string())
}

fn fail(error: &ApiError) -> ExitCode {
    eprintln!("coracled: {error}");
    ExitCode::from(error.code.exit_code())
}
