mod table;

use coracle_daemon_api::{ErrorCode, Status, VmState};

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 running or asleep, 4 stopped or on its way, 6 VM failed, 7 engine down, 9 no daemon.\n\nExample:\n  coracle status\n  coracle status --json | jq -r .vm.state"
)]
pub(crate) struct Args {}

pub(crate) async fn run(_: &Args, session: &Session) -> Result<u8, Failure> {
    if launch::running(&session.client).await?.is_none() {
        return Err(Failure::new(
            ErrorCode::DaemonUnreachable,
            "stopped (daemon not running): `coracle start` starts it",
        ));
    }
    let status = session.client.status().await?;
    if session.output.json {
        session.output.json_document(&status)?;
    } else {
        session.output.line(&table::text(&status))?;
    }
    Ok(exit_code(&status))
}

/// 0 when docker works, else the code of the error that a verb in need of it would end with.
fn exit_code(status: &Status) -> u8 {
    match status.vm.state {
        VmState::Running if status.engine.ready => 0,
        VmState::Running => ErrorCode::EngineFailed.exit_code(),
        VmState::Suspended if status.vm.asleep => 0,
        VmState::Failed => ErrorCode::VmFailed.exit_code(),
        VmState::Stopped
        | VmState::Suspended
        | VmState::Booting
        | VmState::EngineStarting
        | VmState::Stopping => ErrorCode::WrongState.exit_code(),
    }
}
