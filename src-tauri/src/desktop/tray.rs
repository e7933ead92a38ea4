//! The tray icon as tauri shows it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tauri::image::Image;
use tauri::menu::{IsMenuItem, Menu, MenuItem, MenuItemKind, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, Wry};

use crate::controller::{Handle, Tray, Wish};
use crate::tray::icon::{self, Icon};
use crate::tray::menu::{self, Choice, Item};

const TRAY: &str = "state";

/// The menu that the tray has.
#[derive(Default)]
struct Shown(Mutex<Option<Menu<Wry>>>);

/// Puts an icon without a menu into the tray; [`update`] gives it its face.
pub(super) fn make(app: &AppHandle, handle: Handle, folder: &Path) -> tauri::Result<()> {
    let clicked = handle.clone();
    app.manage(Shown::default());
    TrayIconBuilder::with_id(TRAY)
        // A panel reads the icon from a file.
        .temp_dir_path(folder.join("tray"))
        .show_menu_on_left_click(true)
        .on_menu_event(move |_, event| {
            // What is only to be read has no choice for an id.
            if let Ok(choice) = serde_json::from_str::<Choice>(event.id().as_ref()) {
                clicked.send(Wish::Choose(choice));
            }
        })
        .on_tray_icon_event(move |_, event| {
            if let TrayIconEvent::DoubleClick {
                button: MouseButton::Left,
                ..
            } = event
            {
                let place = super::HOME.into();
                handle.send(Wish::Choose(Choice::Show { place }));
            }
        })
        .build(app)?;
    Ok(())
}

/// Shows what differs from before. To be called on the main thread.
pub(super) fn update(app: &AppHandle, before: Option<&Tray>, now: &Tray) -> tauri::Result<()> {
    let Some(tray) = app.tray_by_id(TRAY) else {
        return Ok(());
    };
    let shown = app.state::<Shown>();
    let mut shown = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*shown, before) {
        // The panel closes a menu that another one takes the place of, and its figures change every few seconds.
        (Some(menu), Some(before)) if menu::same_entries(&before.menu, &now.menu) => {
            reword(&menu.items()?, &before.menu, &now.menu)?;
        }
        _ => {
            let menu = Menu::new(app)?;
            for item in &now.menu {
                menu.append(&*entry(app, item)?)?;
            }
            tray.set_menu(Some(menu.clone()))?;
            *shown = Some(menu);
        }
    }
    if before.map(|before| before.icon) != Some(now.icon) {
        tray.set_icon(Some(image(now.icon)))?;
    }
    if before.map(|before| &before.title) != Some(&now.title) {
        tray.set_tooltip(Some(&now.title))?;
    }
    Ok(())
}

fn image(icon: Icon) -> Image<'static> {
    Image::new_owned(icon.rgba(), icon::SIZE, icon::SIZE)
}

fn entry(app: &AppHandle, item: &Item) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    Ok(match item {
        Item::Line(text) => Box::new(MenuItem::new(app, literal(text), false, None::<&str>)?),
        Item::Separator => Box::new(PredefinedMenuItem::separator(app)?),
        Item::Click {
            label,
            enabled,
            choice,
        } => {
            let id = serde_json::to_string(choice)?;
            let none = None::<&str>;
            Box::new(MenuItem::with_id(app, id, literal(label), *enabled, none)?)
        }
        Item::Menu { label, items } => {
            let menu = Submenu::new(app, literal(label), !items.is_empty())?;
            for item in items {
                menu.append(&*entry(app, item)?)?;
            }
            Box::new(menu)
        }
    })
}

/// Makes entries say what they do not say yet; there are as many of each.
fn reword(entries: &[MenuItemKind<Wry>], before: &[Item], now: &[Item]) -> tauri::Result<()> {
    for ((entry, before), now) in entries.iter().zip(before).zip(now) {
        if before == now {
            continue;
        }
        match (entry, before, now) {
            (MenuItemKind::MenuItem(entry), _, Item::Line(text)) => {
                entry.set_text(literal(text))?;
            }
            (MenuItemKind::MenuItem(entry), _, Item::Click { label, enabled, .. }) => {
                entry.set_text(literal(label))?;
                entry.set_enabled(*enabled)?;
            }
            (
                MenuItemKind::Submenu(entry),
                Item::Menu { items: before, .. },
                Item::Menu { items, .. },
            ) => reword(&entry.items()?, before, items)?,
            _ => {}
        }
    }
    Ok(())
}

/// An ampersand marks the letter that chooses an entry; two are one.
fn literal(text: &str) -> String {
    text.replace('&', "&&")
}
