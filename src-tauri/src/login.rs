//! Whether the app comes into the tray with the person's session, and starts the VM: an entry of XDG's autostart on Linux.

use auto_launch::{AutoLaunch, AutoLaunchBuilder};
use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::running_program;

use crate::platform;

/// Whether it does.
pub(crate) fn is_on() -> Result<bool, ApiError> {
    entry()?.is_enabled().map_err(failed)
}

/// From now on it does, or does not.
pub(crate) fn turn(on: bool) -> Result<(), ApiError> {
    let entry = entry()?;
    match on {
        true => entry.enable(),
        false => entry.disable(),
    }
    .map_err(failed)
}

fn entry() -> Result<AutoLaunch, ApiError> {
    let program = running_program()
        .map_err(|error| ApiError::host("cannot tell where this program is", &error))?;
    AutoLaunchBuilder::new()
        .set_app_name("dev.coracle.app")
        .set_app_path(&platform::autostart_command(&program))
        .set_args(&["--tray", "--start"])
        .build()
        .map_err(failed)
}

fn failed(error: auto_launch::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Host,
        format!("The desktop does not take an entry for its start: {error}."),
    )
}
