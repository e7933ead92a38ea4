//! The real desktop: tauri's tray, window and event loop.

mod tray;

use coracle_daemon_api::ApiError;
use coracle_host_paths::HostPaths;
use notify_rust::Notification;
use tauri::webview::PageLoadEvent;
use tauri::{
    AppHandle, Emitter, Manager, RunEvent, Theme, WebviewUrl, WebviewWindowBuilder, WindowEvent,
    Wry,
};
use tauri_plugin_window_state::StateFlags;
use tokio::sync::{mpsc, watch};

use crate::action::Action;
use crate::controller::{self, Gui, Handle, Tray, Wish};
use crate::followed::Followed;
use crate::terminal::Terminals;
use crate::tray::menu::Choice;
use crate::view::View;
use crate::{commands, daemon, launch, notices, platform};

/// The one window.
const WINDOW: &str = "dashboard";

/// Where the dashboard opens unasked.
const HOME: &str = "containers";

/// What the page listens for.
const SHOW: &str = "show";
const COMPLAINT: &str = "complaint";

/// How it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Begin {
    /// Without a window.
    pub(crate) hidden: bool,
    /// With a start of the VM, if there is one.
    pub(crate) start: bool,
}

/// Until somebody quits.
pub(crate) fn run(paths: &HostPaths, begin: Begin) -> tauri::Result<()> {
    let paths = paths.clone();
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, _, _| {
            raise(app, home(app));
        }))
        .plugin(
            tauri_plugin_window_state::Builder::new()
                // An absolute path, so that it lies in the state folder and not in the plugin's own.
                .with_filename(paths.app_dir().join("window.json").to_string_lossy())
                .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
                .build(),
        )
        .manage(paths.clone())
        .manage(Followed::new(&paths))
        .manage(Terminals::default())
        .manage(commands::Complaint::default())
        .invoke_handler(tauri::generate_handler![
            commands::follow_view,
            commands::complaint,
            commands::act,
            commands::browse,
            commands::quit,
            commands::settings,
            commands::change_settings,
            commands::starts_at_login,
            commands::start_at_login,
            commands::default_socket,
            commands::turn_default_socket,
            commands::panes::swarm,
            commands::follow,
            commands::watch,
            commands::taken,
            commands::unfollow,
            commands::panes::images,
            commands::panes::image_history,
            commands::panes::pull,
            commands::panes::volumes,
            commands::panes::volume_sizes,
            commands::panes::networks,
            commands::panes::inspect,
            commands::panes::changes,
            commands::panes::usage,
            commands::panes::open_terminal,
            commands::panes::type_into,
            commands::panes::resize_terminal,
            commands::panes::drawn,
            commands::panes::close_terminal,
        ])
        .on_window_event(|window, event| {
            if let WindowEvent::ThemeChanged(theme) = event {
                let is_dark = *theme == Theme::Dark;
                window.state::<Handle>().send(Wish::Ground(is_dark));
            }
            if let WindowEvent::Destroyed = event {
                forget_page(window);
            }
        })
        .on_page_load(|webview, load| {
            // A page that is loaded again knows nothing of what the one before has followed.
            if load.event() == PageLoadEvent::Started {
                forget_page(webview);
            }
        })
        .setup(move |app| {
            let app = app.handle();
            let (notices, sentences) = mpsc::channel(notices::WAITING);
            tauri::async_runtime::spawn(notices::tell(sentences, notices::PAUSE, notify));
            let (shown, views) = watch::channel(View::default());
            app.manage(views);
            let desktop = Desktop {
                app: app.clone(),
                shown,
                tray: None,
                notices,
            };
            let (controller, handle) = controller::new(&paths, desktop);
            app.manage(handle.clone());
            tauri::async_runtime::spawn(quit_when_told(handle.clone()));
            // A person without a VM is asked about it first.
            if begin.start && paths.data_disk().exists() {
                let action = Action::Start;
                handle.send(Wish::Choose(Choice::Act { action }));
            }
            tray::make(app, handle, &paths.app_dir())?;
            tauri::async_runtime::spawn(controller.run());
            if !begin.hidden {
                raise(app, home(app));
            }
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(|_, event| {
        // Without a window it goes on in the tray; who quits gives a code.
        if let RunEvent::ExitRequested {
            code: None, api, ..
        } = event
        {
            api.prevent_exit();
        }
    });
    Ok(())
}

/// Ends what went to a page that is not there any more.
fn forget_page(of: &impl Manager<Wry>) {
    of.state::<Followed>().end_all();
    of.state::<Terminals>().end_all();
}

/// Who ends the process quits.
async fn quit_when_told(handle: Handle) {
    match platform::told_to_end().await {
        Ok(()) => handle.send(Wish::Choose(Choice::Quit)),
        Err(error) => tracing::warn!(%error, "the end of the session will come without a warning"),
    }
}

/// Shows a notification. The desktop's answer is waited for elsewhere.
fn notify(body: String) {
    tauri::async_runtime::spawn_blocking(move || {
        let mut notification = Notification::new();
        notification
            .appname("Coracle")
            .summary("Coracle")
            .body(&body);
        if let Err(error) = notification.show() {
            tracing::warn!(%error, body, "the desktop shows no notifications");
        }
    });
}

/// Where the dashboard opens when nobody asks for a place: a person who has no VM yet is welcomed.
fn home(app: &AppHandle) -> &'static str {
    match app.state::<HostPaths>().data_disk().exists() {
        true => HOME,
        false => "welcome",
    }
}

/// Brings the window to the front, at a place of the page.
fn show(app: &AppHandle, place: &str) {
    // A page that is still loading is where it was made.
    if let Err(error) = app.emit(SHOW, place) {
        tracing::warn!(%error, "the page does not hear");
    }
    raise(app, place);
}

/// Brings the window to the front as it is, with what somebody does in it; one that was closed is made at
/// this place of the page.
fn raise(app: &AppHandle, place: &str) {
    if let Some(window) = app.get_webview_window(WINDOW) {
        let raised = window
            .unminimize()
            .and_then(|()| window.show())
            .and_then(|()| window.set_focus());
        if let Err(error) = raised {
            tracing::warn!(%error, "the window does not come to the front");
        }
        return;
    }
    let page = WebviewUrl::App(format!("index.html#/{place}").into());
    let built = WebviewWindowBuilder::new(app, WINDOW, page)
        .title("Coracle")
        .inner_size(1120.0, 720.0)
        .min_inner_size(640.0, 420.0)
        .data_directory(app.state::<HostPaths>().app_dir().join("page"))
        .build();
    match built.and_then(|window| window.theme()) {
        Ok(theme) => app
            .state::<Handle>()
            .send(Wish::Ground(theme == Theme::Dark)),
        Err(error) => tracing::error!(%error, "there is no window"),
    }
}

/// Tauri as the controller sees it.
struct Desktop {
    app: AppHandle,
    shown: watch::Sender<View>,
    tray: Option<Tray>,
    notices: mpsc::Sender<String>,
}

impl Desktop {
    /// Windows and menus are the main thread's; the controller does not wait for it.
    fn on_main_thread(&self, task: impl FnOnce(&AppHandle) + Send + 'static) {
        let app = self.app.clone();
        if let Err(error) = self.app.run_on_main_thread(move || task(&app)) {
            tracing::warn!(%error, "the desktop's thread has ended");
        }
    }
}

impl Gui for Desktop {
    fn show(&mut self, view: &View) {
        self.shown.send_if_modified(|shown| {
            let changes = shown != view;
            if changes {
                shown.clone_from(view);
            }
            changes
        });
    }

    fn tray(&mut self, tray: Tray) {
        if self.tray.as_ref() == Some(&tray) {
            return;
        }
        let before = self.tray.replace(tray.clone());
        self.on_main_thread(move |app| {
            if let Err(error) = tray::update(app, before.as_ref(), &tray) {
                tracing::warn!(%error, "the tray does not change");
            }
        });
    }

    fn open(&mut self, place: &str) {
        let place = place.to_owned();
        self.on_main_thread(move |app| show(app, &place));
    }

    fn browse(&mut self, address: &str) -> Result<(), ApiError> {
        let page = format!("http://{address}/");
        launch::open(&page)
            .map_err(|error| ApiError::host(format!("no browser opens {page}"), &error))
    }

    fn complain(&mut self, error: &ApiError) {
        tracing::warn!(%error, "an action of the tray failed");
        let error = error.clone();
        self.on_main_thread(move |app| {
            app.state::<commands::Complaint>().put(error);
            raise(app, HOME);
            let _ = app.emit(COMPLAINT, ());
        });
    }

    fn notify(&mut self, sentence: &str) {
        if self.notices.try_send(daemon::sentence(sentence)).is_err() {
            tracing::warn!(sentence, "too many notifications: this one is not shown");
        }
    }

    fn quit(&mut self) {
        let app = self.app.clone();
        tauri::async_runtime::spawn(async move {
            app.state::<Terminals>().finalize().await;
            app.exit(0);
        });
    }
}
