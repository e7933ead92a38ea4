//! What the page can ask for.

pub(crate) mod panes;

use std::sync::{Mutex, PoisonError};

use coracle_daemon_api::{ApiError, Setting, SettingChange, SettingsChanged};
use serde_json::{Map, Value};
use tauri::ipc::{Channel, IpcResponse};
use tauri::{State, command};
use tokio::sync::watch;

use crate::action::Action;
use crate::controller::{Handle, Wish, failed};
use crate::default_socket::{self, DefaultSocket};
use crate::edits::{self, EditPiece};
use crate::followed::{Followed, page_gone};
use crate::login;
use crate::logs::{self, LogPiece, LogSource};
use crate::tray::menu::Choice;
use crate::view::{self, View};

/// What failed and has not been shown yet, for a page that comes up because of it.
#[derive(Debug, Default)]
pub(crate) struct Complaint(Mutex<Option<ApiError>>);

impl Complaint {
    /// In place of an older one.
    pub(crate) fn put(&self, error: ApiError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Sends what is known, and then the fields of it that change; the number ends it.
#[command]
pub(crate) async fn follow_view(
    followed: State<'_, Followed>,
    views: State<'_, watch::Receiver<View>>,
    to: Channel<Map<String, Value>>,
) -> Result<u32, ApiError> {
    let views = views.inner().clone();
    Ok(followed.begin(way(to), |page| view::follow(views, page)))
}

/// What failed in the tray, once; the event `complaint` tells that there is something.
#[command]
pub(crate) fn complaint(complaint: State<'_, Complaint>) -> Option<ApiError> {
    let mut complaint = complaint.0.lock().unwrap_or_else(PoisonError::into_inner);
    complaint.take()
}

/// Does something, and answers when it has ended.
#[command]
pub(crate) async fn act(handle: State<'_, Handle>, action: Action) -> Result<(), ApiError> {
    handle.act(action).await
}

/// Shows a port of this host in the browser.
#[command]
pub(crate) fn browse(handle: State<'_, Handle>, port: u16) {
    handle.send(Wish::Choose(Choice::Browse { port }));
}

/// Ends the app; daemon and containers go on.
#[command]
pub(crate) fn quit(handle: State<'_, Handle>) {
    handle.send(Wish::Choose(Choice::Quit));
}

/// All settings.
#[command]
pub(crate) async fn settings(followed: State<'_, Followed>) -> Result<Vec<Setting>, ApiError> {
    followed.client.settings().await.map_err(|e| failed(&e))
}

/// Changes settings, all or none.
#[command]
pub(crate) async fn change_settings(
    followed: State<'_, Followed>,
    changes: Vec<SettingChange>,
) -> Result<SettingsChanged, ApiError> {
    let changed = followed.client.change(&changes).await;
    changed.map_err(|error| failed(&error))
}

/// Whether the app comes into the tray with the person's session.
#[command]
pub(crate) fn starts_at_login() -> Result<bool, ApiError> {
    login::is_on()
}

/// From now on it does, or does not.
#[command]
pub(crate) fn start_at_login(on: bool) -> Result<(), ApiError> {
    login::turn(on)
}

/// Whose engine programs find that look for Docker at its default socket.
#[command]
pub(crate) async fn default_socket() -> Result<DefaultSocket, ApiError> {
    default_socket::look().await
}

/// From now on they find this one, or not.
#[command]
pub(crate) async fn turn_default_socket(on: bool) -> Result<DefaultSocket, ApiError> {
    default_socket::turn(on).await
}

/// Sends a log to the page as it grows; the number ends it.
#[command]
pub(crate) async fn follow(
    followed: State<'_, Followed>,
    source: LogSource,
    to: Channel<LogPiece>,
) -> Result<u32, ApiError> {
    let (client, engine) = (followed.client.clone(), followed.engine.clone());
    Ok(followed.begin(way(to), |page| logs::follow(client, engine, source, page)))
}

/// Sends edits on their way to the page; the number ends it.
#[command]
pub(crate) async fn watch(
    followed: State<'_, Followed>,
    to: Channel<EditPiece>,
) -> Result<u32, ApiError> {
    let client = followed.client.clone();
    Ok(followed.begin(way(to), |page| edits::follow(client, page)))
}

/// Says that the page has taken so many pieces of what a number was given for.
#[command]
pub(crate) fn taken(followed: State<'_, Followed>, number: u32, count: usize) {
    followed.taken(number, count);
}

/// Ends what a number was given for.
#[command]
pub(crate) fn unfollow(followed: State<'_, Followed>, number: u32) {
    followed.end(number);
}

/// The way of a channel to the page.
fn way<T: IpcResponse + Send + Sync>(
    to: Channel<T>,
) -> impl Fn(T) -> Result<(), ApiError> + Send + Sync {
    move |piece| to.send(piece).map_err(|_| page_gone())
}
