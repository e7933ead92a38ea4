use std::path::PathBuf;

use serde::{Deserialize, Serialize};

// A client names the runtimes with no other crate.
pub use coracle_guest_api::debug::Runtime;

/// A wish to debug something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugRequest {
    /// A container's name or id, or a service of compose or swarm.
    pub target: String,
    /// The process as the container counts; null for the one that does its work.
    #[serde(default)]
    pub pid: Option<u32>,
    /// A folder, absolute, whose `.vscode/launch.json` shall have the configuration.
    #[serde(default)]
    pub write: Option<PathBuf>,
}

/// A debug session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DebugSession {
    /// Its number.
    pub id: u64,
    /// What was asked for.
    pub target: String,
    /// The container's name.
    pub container: String,
    /// The process as the container counts, when the session began.
    pub pid: u32,
    /// Program and arguments of the process.
    pub command: Vec<String>,
    /// What executes the code.
    pub runtime: Runtime,
    /// Where debuggers connect to: `127.0.0.1:PORT`.
    pub address: String,
    /// Folders of the host and where they are in the container.
    pub paths: Vec<DebugPath>,
    /// The entry for VS Code's `launch.json`.
    pub configuration: serde_json::Value,
    /// What makes debugging worse than it could be; null when nothing does.
    pub note: Option<String>,
    /// Whether it was there before it was asked for.
    pub existing: bool,
    /// The file that has the configuration now; null when none was asked for.
    pub written: Option<PathBuf>,
}

impl DebugSession {
    /// Program and arguments of the debugger that goes with it.
    pub fn debugger(&self) -> Vec<String> {
        let address = self.address.clone();
        match self.runtime {
            Runtime::Native => {
                let mut line = vec!["gdb".into()];
                for path in &self.paths {
                    let map = format!("set substitute-path {} {}", path.remote, path.local);
                    line.extend(["-ex".into(), map]);
                }
                line.extend(["-ex".into(), format!("target remote {address}")]);
                line
            }
            Runtime::Node => vec!["node".into(), "inspect".into(), address],
            Runtime::Python => vec!["code".into(), ".".into()],
        }
    }

    /// How a person connects: what to type, where that is enough.
    pub fn connect(&self) -> String {
        if self.runtime == Runtime::Python {
            return "VS Code's Python debugger, or any other that speaks the debug adapter protocol"
                .into();
        }
        let quote = |argument: &String| match argument.contains(' ') {
            true => format!("'{argument}'"),
            false => argument.clone(),
        };
        let line = self.debugger();
        line.iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}

/// A wish to have a session's configuration where an editor finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugWrite {
    /// The session's number.
    pub id: u64,
    /// A folder, absolute, whose `.vscode/launch.json` shall have the configuration.
    pub folder: PathBuf,
}

/// A folder on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DebugPath {
    /// On the host.
    pub local: String,
    /// In the container.
    pub remote: String,
}

/// A wish to end sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugStop {
    /// The number of a session, a container or a service.
    pub which: String,
}
