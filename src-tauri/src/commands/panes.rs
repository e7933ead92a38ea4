//! What the panes of the engine ask for.

use coracle_daemon_api::{ApiError, SwarmState};
use futures::StreamExt;
use tauri::ipc::Channel;
use tauri::{State, command};

use super::way;
use crate::controller::{Handle, failed};
use crate::engine::{
    FileChange, ImageStep, Images, NetworkInfo, PullPiece, TerminalSize, Thing, Usage, VolumeInfo,
    VolumeSize,
};
use crate::followed::Followed;
use crate::terminal::{Input, TerminalPiece, Terminals};
use crate::view::Swarm;

/// The swarm with its nodes and tasks.
#[command]
pub(crate) async fn swarm(followed: State<'_, Followed>) -> Result<Swarm, ApiError> {
    let status = followed.client.swarm().await.map_err(|e| failed(&e))?;
    let placed = match status.state {
        SwarmState::On => followed.engine.placed().await?,
        _ => Default::default(),
    };
    Ok(Swarm {
        status,
        nodes: placed.nodes,
        tasks: placed.tasks,
        updates: placed.updates,
    })
}

/// All images and their disk.
#[command]
pub(crate) async fn images(followed: State<'_, Followed>) -> Result<Images, ApiError> {
    followed.engine.images().await
}

/// How an image was made.
#[command]
pub(crate) async fn image_history(
    followed: State<'_, Followed>,
    id: String,
) -> Result<Vec<ImageStep>, ApiError> {
    followed.engine.history(&id).await
}

/// Fetches an image and tells where it is; the number ends it.
#[command]
pub(crate) async fn pull(
    followed: State<'_, Followed>,
    name: String,
    to: Channel<PullPiece>,
) -> Result<u32, ApiError> {
    let engine = followed.engine.clone();
    Ok(followed.begin(way(to), |page| async move {
        let fetch = async {
            let mut pieces = engine.pull(&name)?;
            while let Some(piece) = pieces.next().await {
                page.send(piece?).await?;
            }
            Ok(())
        };
        let ended: Result<(), ApiError> = fetch.await;
        let error = ended.err().map(|error| error.message);
        let _ = page.send(PullPiece::End { error }).await;
    }))
}

/// All volumes.
#[command]
pub(crate) async fn volumes(followed: State<'_, Followed>) -> Result<Vec<VolumeInfo>, ApiError> {
    followed.engine.volumes().await
}

/// What the volumes take, which the engine has to count.
#[command]
pub(crate) async fn volume_sizes(
    followed: State<'_, Followed>,
) -> Result<Vec<VolumeSize>, ApiError> {
    followed.engine.volume_sizes().await
}

/// All networks.
#[command]
pub(crate) async fn networks(followed: State<'_, Followed>) -> Result<Vec<NetworkInfo>, ApiError> {
    followed.engine.networks().await
}

/// All that the engine knows of something.
#[command]
pub(crate) async fn inspect(
    followed: State<'_, Followed>,
    thing: Thing,
    id: String,
) -> Result<String, ApiError> {
    followed.engine.inspect(thing, &id).await
}

/// What a container has changed in its image.
#[command]
pub(crate) async fn changes(
    followed: State<'_, Followed>,
    container: String,
) -> Result<Vec<FileChange>, ApiError> {
    followed.engine.changes(&container).await
}

/// Tells what a container takes, second by second; the number ends it.
#[command]
pub(crate) async fn usage(
    followed: State<'_, Followed>,
    container: String,
    to: Channel<Usage>,
) -> Result<u32, ApiError> {
    let engine = followed.engine.clone();
    Ok(followed.begin(way(to), |page| async move {
        let told = async {
            let mut usage = engine.usage(&container)?;
            while let Some(usage) = usage.next().await {
                page.send(usage?).await?;
            }
            Ok::<_, ApiError>(())
        };
        // The page sees from the list of containers that one has ended.
        if let Err(error) = told.await {
            tracing::debug!(%error, "nothing more of what a container takes");
        }
    }))
}

/// Opens a terminal in a container; the number is for all else that happens to it.
#[command]
pub(crate) async fn open_terminal(
    followed: State<'_, Followed>,
    terminals: State<'_, Terminals>,
    handle: State<'_, Handle>,
    container: String,
    size: TerminalSize,
    to: Channel<TerminalPiece>,
) -> Result<u32, ApiError> {
    let (engine, listens) = (followed.engine.clone(), handle.engine_listens());
    Ok(terminals.open(engine, listens, container, size, way(to)))
}

/// Types into a terminal.
#[command]
pub(crate) fn type_into(terminals: State<'_, Terminals>, number: u32, text: String) {
    terminals.tell(number, Input::Typed(text));
}

/// Gives a terminal another size.
#[command]
pub(crate) fn resize_terminal(terminals: State<'_, Terminals>, number: u32, size: TerminalSize) {
    terminals.tell(number, Input::Size(size));
}

/// Says that a piece of a terminal has been drawn.
#[command]
pub(crate) fn drawn(terminals: State<'_, Terminals>, number: u32) {
    terminals.tell(number, Input::Drawn);
}

/// Ends a terminal and its shell.
#[command]
pub(crate) fn close_terminal(terminals: State<'_, Terminals>, number: u32) {
    terminals.end(number);
}
