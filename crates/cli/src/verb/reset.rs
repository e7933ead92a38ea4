use coracle_daemon_api::Progress;

use crate::confirm;
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
        ask(session)?;
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
fn ask(session: &Session) -> Result<(), Failure> {
    let loss = format!(
        "This stops the VM of {} and deletes every image, container, volume, network, build cache, \
         swarm and snapshot of its engine. Settings and the files on this computer stay.",
        session.paths.home().display()
    );
    confirm::deletion(session.output, &loss, "Delete it all?")
}
