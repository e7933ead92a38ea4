mod client;
mod text;

use std::path::PathBuf;

use coracle_daemon_api::{DebugRequest, DebugStop, ErrorCode};

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  coracle debug worker             # a compose service; prints how to connect\n  coracle debug worker --open      # starts gdb on it\n  coracle debug vote --write       # and adds it to .vscode/launch.json\n  coracle debug app-web-1 --pid 7\n  coracle debug list\n  coracle debug stop worker"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// A container's name or id, or a service of compose or swarm
    #[arg(required = true)]
    target: Option<String>,
    /// The process as the container counts [default: the one that does the container's work]
    #[arg(long, value_name = "N")]
    pid: Option<u32>,
    /// Start the debugger: gdb, `node inspect`, or VS Code for Python
    #[arg(long)]
    open: bool,
    /// Add the configuration to .vscode/launch.json in this folder
    #[arg(long)]
    write: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the debug sessions
    #[command(after_help = "Example:\n  coracle debug list --json")]
    List,
    /// End debug sessions; their processes go on
    #[command(after_help = "Example:\n  coracle debug stop worker\n  coracle debug stop 1")]
    Stop {
        /// A session's number, its container or its service
        which: String,
    },
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    launch::hello(&session.client).await?;
    let output = session.output;
    match &args.action {
        Some(Action::List) => {
            let all = session.client.debug_sessions().await?;
            match output.json {
                true => output.json_document(&all)?,
                false => output.line(&text::list(&all))?,
            }
        }
        Some(Action::Stop { which }) => {
            let which = which.clone();
            let ended = session.client.stop_debug(&DebugStop { which }).await?;
            match output.json {
                true => output.json_document(&ended)?,
                false => output.line(&text::ended(&ended))?,
            }
        }
        None => return debug(args, session).await,
    }
    Ok(0)
}

async fn debug(args: &Args, session: &Session) -> Result<u8, Failure> {
    if args.open && session.output.json {
        return Err(Failure::new(
            ErrorCode::InvalidInput,
            "--open starts a debugger in this terminal: leave --json out",
        ));
    }
    let request = DebugRequest {
        // clap demands it.
        target: args.target.clone().unwrap_or_default(),
        pid: args.pid,
        write: args.write.then(folder).transpose()?,
    };
    let begun = session.client.debug(&request).await?;
    let output = session.output;
    match output.json {
        true => output.json_document(&begun)?,
        false => output.line(&text::begun(&begun)?)?,
    }
    if args.open {
        return client::run(&begun);
    }
    Ok(0)
}

fn folder() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| Failure::host("cannot tell the current folder", &error))
}
