mod table;

use std::time::{SystemTime, UNIX_EPOCH};

use coracle_daemon_api::{ErrorCode, Progress, Snapshot, SnapshotName, Status};
use serde_json::json;

use crate::confirm;
use crate::failure::Failure;
use crate::launch;
use crate::progress::ProgressView;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  coracle snapshot create before-upgrade\n  coracle snapshot list\n  coracle snapshot restore before-upgrade"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Keep memory and data disk of the running VM as they are now
    #[command(after_help = "Example:\n  coracle snapshot create before-upgrade")]
    Create {
        /// Letters, digits, dots, dashes and underscores
        name: String,
    },
    /// Show the snapshots
    #[command(
        visible_alias = "ls",
        after_help = "Example:\n  coracle snapshot list --json"
    )]
    List,
    /// Go on from a snapshot with the containers that ran then; what the VM is now is lost
    #[command(
        after_help = "Example:\n  coracle snapshot create now\n  coracle snapshot restore before-upgrade\n  coracle snapshot restore --yes before-upgrade    # without the question"
    )]
    Restore {
        /// Which one
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Delete a snapshot; the VM stays as it is
    #[command(
        visible_alias = "rm",
        after_help = "Example:\n  coracle snapshot delete before-upgrade"
    )]
    Delete {
        /// Which one
        name: String,
    },
}

impl Action {
    pub(crate) fn streams_progress(&self) -> bool {
        !matches!(self, Self::List)
    }
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    launch::ensure_daemon(session).await?;
    let client = &session.client;
    let mut view = ProgressView::new(session.output);
    match &args.action {
        Action::List => list(session).await?,
        Action::Create { name } => {
            let name = named(name);
            let status = client
                .take_snapshot(&name, |progress| view.show(progress))
                .await?;
            view.finish()?;
            let taken = find(session, &name.name).await?;
            let text = table::taken(&taken);
            done(session, status, Some(taken), &text)?;
        }
        Action::Restore { name, yes } => {
            let found = find(session, name).await?;
            if !yes {
                let loss = table::loss(&found, now_s());
                confirm::deletion(session.output, &loss, "Go back to it?")?;
            }
            let name = named(name);
            let status = client
                .restore_snapshot(&name, |progress| view.show(progress))
                .await?;
            view.finish()?;
            let text = format!("The VM goes on from the snapshot {}.", name.name);
            done(session, status, None, &text)?;
        }
        Action::Delete { name } => {
            let name = named(name);
            let status = client
                .delete_snapshot(&name, |progress| view.show(progress))
                .await?;
            view.finish()?;
            done(
                session,
                status,
                None,
                &format!("The snapshot {} is deleted.", name.name),
            )?;
        }
    }
    Ok(0)
}

async fn list(session: &Session) -> Result<(), Failure> {
    let snapshots = session.client.snapshots().await?;
    match session.output.json {
        true => session.output.json_document(&snapshots),
        false => session.output.line(&table::text(&snapshots, now_s())),
    }
}

async fn find(session: &Session, name: &str) -> Result<Snapshot, Failure> {
    let all = session.client.snapshots().await?;
    all.into_iter().find(|one| one.name == name).ok_or_else(|| {
        Failure::new(
            ErrorCode::Missing,
            format!("there is no snapshot {name}: `coracle snapshot list` shows those there are"),
        )
    })
}

/// The last line of progress, with the snapshot where there is a new one; or the sentence.
fn done(
    session: &Session,
    status: Status,
    snapshot: Option<Snapshot>,
    text: &str,
) -> Result<(), Failure> {
    if !session.output.json {
        return session.output.line(text);
    }
    let status = Box::new(status);
    let mut line = serde_json::to_value(Progress::Done { status })?;
    if let Some(snapshot) = snapshot {
        line["snapshot"] = json!(snapshot);
    }
    session.output.json_line(&line)
}

fn named(name: &str) -> SnapshotName {
    SnapshotName { name: name.into() }
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
