mod conversation;
mod terminal;

use std::io::IsTerminal;

use coracle_guest_api::exec::ExecRequest;

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;
use terminal::RawTerminal;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with the exit code of the command, 128 + N after signal N.\n\nExample:\n  coracle shell\n  coracle shell -- df -h /var/lib/docker"
)]
pub(crate) struct Args {
    /// Folder in the VM to begin in
    #[arg(long, value_name = "DIR")]
    workdir: Option<String>,
    /// Command and arguments; the login shell without
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// With a terminal in the VM when stdin and stdout are terminals here, else with pipes.
pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let tty = interactive.then(terminal::size);
    let request = ExecRequest {
        argv: args.command.clone(),
        env: match std::env::var("TERM") {
            Ok(term) if interactive => vec![("TERM".into(), term)],
            _ => vec![],
        },
        cwd: args.workdir.clone(),
        tty,
    };
    launch::hello(&session.client).await?;
    let stream = session.client.shell(&request).await?;
    let _raw = if interactive {
        Some(RawTerminal::enter()?)
    } else {
        None
    };
    conversation::hold(stream, interactive).await
}
