use std::io::{self, IsTerminal, Write};

use coracle_daemon_api::{ErrorCode, Progress};

use crate::failure::Failure;
use crate::launch;
use crate::progress::ProgressView;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  coracle reset\n  coracle reset --yes    # without the question"
)]
pub(crate) struct Args {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    if !args.yes {
        confirm(session)?;
    }
    launch::ensure_daemon(session).await?;
    let mut view = ProgressView::new(session.output);
    let status = session.client.reset(|progress| view.show(progress)).await?;
    view.finish()?;
    if session.output.json {
        let status = Box::new(status);
        session.output.json_line(&Progress::Done { status })?;
    } else {
        session
            .output
            .line("Everything the engine held is deleted; `coracle start` begins anew.")?;
    }
    Ok(0)
}

/// Asks the person; an error unless the answer is yes.
fn confirm(session: &Session) -> Result<(), Failure> {
    let loss = format!(
        "This stops the VM of {} and deletes every image, container, volume, network, build cache \
         and swarm of its engine. Settings and the files on this computer stay.",
        session.paths.home().display()
    );
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            ErrorCode::InvalidInput,
            format!("{loss} Nobody can be asked here: repeat it with --yes"),
        ));
    }
    session.output.note(&loss);
    let mut stderr = io::stderr();
    let _ = write!(stderr, "Delete it all? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(
            ErrorCode::InvalidInput,
            "not confirmed: nothing was deleted",
        )),
    }
}
