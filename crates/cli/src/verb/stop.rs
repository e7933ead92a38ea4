use coracle_daemon_api::{ClientError, ErrorCode, Progress, Status, StopOptions, VmState};
use serde_json::json;

use crate::failure::Failure;
use crate::launch;
use crate::progress::ProgressView;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  coracle stop\n  coracle stop --shutdown --quit")]
pub(crate) struct Args {
    /// End the daemon too
    #[arg(long)]
    quit: bool,
    /// Shut the engine and the VM down in order, containers included, instead of suspending them
    #[arg(long)]
    shutdown: bool,
}

/// Success when it is stopped already: that is what was asked for.
pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    let mut view = ProgressView::new(session.output);
    // A daemon of another version must be stoppable too; one that hangs is told of.
    launch::answers(&session.client).await?;
    let options = StopOptions {
        quit: args.quit,
        shutdown: args.shutdown,
        suspend_only: false,
    };
    let result = session
        .client
        .stop(&options, |progress| view.show(progress))
        .await;
    let status = match result {
        Ok(status) => Some(status),
        Err(ClientError::NotRunning(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if args.quit && status.is_some() && !launch::wait_for_end(session).await {
        return Err(Failure::new(
            ErrorCode::DaemonUnreachable,
            "the VM has stopped but the daemon has not ended: see `coracle logs daemon`",
        ));
    }
    view.finish()?;
    report(session, status, args.quit)?;
    Ok(0)
}

fn report(session: &Session, status: Option<Status>, quit: bool) -> Result<(), Failure> {
    match status {
        Some(status) if session.output.json => session.output.json_line(&Progress::Done {
            status: Box::new(status),
        }),
        None if session.output.json => session
            .output
            .json_line(&json!({ "progress": "done", "status": null })),
        Some(status) if status.vm.state == VmState::Suspended && quit => session
            .output
            .line("Suspended, and the daemon has ended: `coracle start` goes on."),
        Some(status) if status.vm.state == VmState::Suspended => {
            session.output.line("Suspended: `coracle start` goes on.")
        }
        Some(_) if quit => session.output.line("Stopped; the daemon has ended."),
        Some(_) => session.output.line("Stopped."),
        None => session
            .output
            .line("Stopped already: the daemon does not run."),
    }
}
