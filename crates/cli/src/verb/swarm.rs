mod table;

use coracle_daemon_api::{SwarmChange, SwarmState};

use crate::confirm;
use crate::failure::Failure;
use crate::launch;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  coracle swarm on\n  docker service create --name web --publish 8080:80 --replicas 3 nginx\n  coracle swarm status\n  coracle swarm off"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a swarm of this one engine, if there is none
    #[command(after_help = "Example:\n  coracle swarm on")]
    On,
    /// Delete the swarm with its services, secrets and configs
    #[command(
        after_help = "Example:\n  coracle swarm off\n  coracle swarm off --yes    # without the question"
    )]
    Off {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Show the services: how many replicas run, and the ports
    #[command(after_help = "Example:\n  coracle swarm status --json")]
    Status,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    launch::hello(&session.client).await?;
    let status = match args.action {
        Action::Status => session.client.swarm().await?,
        Action::On => change(session, true).await?,
        Action::Off { yes } => {
            let before = session.client.swarm().await?;
            if before.state != SwarmState::Off && !yes {
                let loss = table::loss(&before);
                confirm::deletion(session.output, &loss, "Delete the swarm?")?;
            }
            change(session, false).await?
        }
    };
    if session.output.json {
        session.output.json_document(&status)?;
    } else {
        session.output.line(&table::text(&status))?;
    }
    Ok(0)
}

async fn change(session: &Session, on: bool) -> Result<coracle_daemon_api::SwarmStatus, Failure> {
    Ok(session.client.change_swarm(SwarmChange { on }).await?)
}
