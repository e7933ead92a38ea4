//! The page's types, made from these.

use std::fmt::Write;
use std::path::Path;

use coracle_daemon_api as api;
use ts_rs::{Config, TS};

use crate::{action, default_socket, edits, engine, logs, terminal, view};

/// Set to have the file written.
const WRITE: &str = "CORACLE_WRITE_TYPES";

macro_rules! declare {
    ($text:ident, $($type:ty),* $(,)?) => {
        // A JSON number is exact up to 2^53, which no size or time here reaches.
        let config = Config::new().with_large_int("number");
        $(
            if let Some(docs) = <$type as TS>::docs() {
                $text.push_str(&docs);
            }
            writeln!($text, "export {}\n", <$type as TS>::decl(&config)).unwrap();
        )*
    };
}

#[test]
fn the_types_of_the_page_are_current() {
    let mut text = String::from(
        "// Made by `cargo xtask types` from the Rust types of the same names: edit those.\n\n\
         export type JsonValue = unknown;\n\n",
    );
    declare!(
        text,
        view::View,
        view::Link,
        view::Doing,
        view::Debugged,
        view::Container,
        view::PublishedPort,
        view::Swarm,
        view::SwarmTask,
        view::SwarmNode,
        view::Availability,
        view::RollingUpdate,
        action::Stored,
        action::Action,
        action::ContainerVerb,
        default_socket::DefaultSocket,
        default_socket::Leads,
        logs::LogSource,
        logs::LogPiece,
        engine::Images,
        engine::images::Image,
        engine::ImageStep,
        engine::PullPiece,
        engine::VolumeInfo,
        engine::VolumeSize,
        engine::NetworkInfo,
        engine::Thing,
        engine::FileChange,
        engine::details::FileChangeKind,
        engine::Usage,
        engine::TerminalSize,
        terminal::TerminalPiece,
        edits::EditPiece,
        api::ApiError,
        api::ErrorCode,
        api::Status,
        api::VmStatus,
        api::VmState,
        api::VmUsage,
        api::EngineStatus,
        api::HostSupport,
        api::Capabilities,
        api::Versions,
        api::PortStatus,
        api::ShareStatus,
        api::Setting,
        api::SettingChange,
        api::SettingsChanged,
        api::Snapshot,
        api::SwarmStatus,
        api::SwarmState,
        api::SwarmService,
        api::SwarmPort,
        api::WatchLine,
        api::WatchedContainer,
        api::WatchStage,
        api::DebugSession,
        api::DebugPath,
        api::Runtime,
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/host/types.ts");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == text,
        "{} is not what the Rust types say: run `cargo xtask types`",
        file.display()
    );
}
