//! Python: debugpy in the running process.
//!
//! debugpy is in the guest's root, not in the container: its folder is mounted, to be read only, into the
//! `/dev` of the container, which is in memory, for as long as the session lasts. The process
//! imports it from there in code that it is made to run between two of its own instructions, and then
//! serves debuggers itself, on the loopback device of the container.

mod disconnect;
mod place;

use std::collections::HashMap;
use std::ffi::CString;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coracle_guest_api::{AgentError, AgentErrorCode};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{Found, listeners, namespace, stub};
use crate::command;
use crate::reaper::Reaper;
pub(crate) use disconnect::relay;
use place::Place;

/// How long the import may take: seconds on a machine that is emulated.
const LISTEN_WITHIN: Duration = Duration::from_secs(90);

/// Processes that serve debuggers, with their ports.
#[derive(Default)]
pub(crate) struct Ports(Mutex<HashMap<u32, u16>>);

impl Ports {
    fn of(&self, pid: u32) -> Option<u16> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&pid).copied()
    }

    fn set(&self, pid: u32, port: u16) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers of processes that have ended are given to others.
        all.retain(|pid, _| Place::of(*pid).is_there());
        all.insert(pid, port);
    }
}

/// Has the process serve debuggers, unless it does; returns the port.
pub(crate) async fn open(reaper: &Reaper, ports: &Ports, found: &Found) -> Result<u16, AgentError> {
    if let Some(port) = ports.of(found.pid)
        && listens(found.pid, port)
    {
        return Ok(port);
    }
    let failed = |why: String| AgentError::new(AgentErrorCode::NoProcess, why);
    let port = namespace::free_port(found.pid)
        .await
        .map_err(|error| failed(format!("there is no port for debugpy: {error}")))?;
    let mut command = super::stub_command(found.pid);
    command.arg("python").arg(port.to_string());
    let outcome = command::output(reaper, &mut command).await;
    let outcome = outcome.map_err(|error| failed(format!("the stub did not start: {error}")))?;
    if !outcome.status.success() {
        return Err(failed(outcome.text));
    }
    let place = Place::of(found.pid);
    let until = Instant::now() + LISTEN_WITHIN;
    while Instant::now() < until {
        match place.report() {
            Some(report) if report == "ok" => {
                ports.set(found.pid, port);
                return Ok(port);
            }
            Some(report) => {
                return Err(failed(format!(
                    "process {} could not load debugpy: {}",
                    found.about.pid,
                    report.lines().last().unwrap_or_default()
                )));
            }
            None => sleep(Duration::from_millis(100)).await,
        }
    }
    Err(failed(format!(
        "process {} (python) does not come to run debugpy: its main thread waits for something outside of \
         Python; try again when it does something",
        found.about.pid
    )))
}

/// A connection to the process.
pub(crate) async fn dial(found: &Found, port: u16) -> Result<TcpStream, AgentError> {
    let dialled = namespace::dial(found.pid, ([127, 0, 0, 1], port).into()).await;
    dialled.map_err(|error| {
        let message = format!("debugpy does not answer: {error}");
        AgentError::new(AgentErrorCode::NoProcess, message)
    })
}

/// Takes debugpy's folder out of the container again. The process has loaded what it uses.
pub(crate) async fn close(reaper: &Reaper, found: &Found) {
    if !Place::of(found.pid).is_there() {
        return;
    }
    let mut command = super::stub_command(found.pid);
    command.arg("unmount");
    match command::output(reaper, &mut command).await {
        Ok(outcome) if outcome.status.success() => {}
        Ok(outcome) => tracing::info!("debugpy stays mounted: {}", outcome.text),
        Err(error) => tracing::info!("debugpy stays mounted: {error}"),
    }
}

/// The part that needs a process of its own: mounts and makes the process run the code.
pub(super) fn inject(pid: u32, port: &str) -> ExitCode {
    let outcome = Place::of(pid)
        .make()
        .map_err(|error| format!("debugpy could not be brought into the container: {error}"));
    let outcome = outcome.and_then(|()| {
        let code = CString::new(code(pid, port)).map_err(|error| error.to_string())?;
        stub::python(pid, &code)
    });
    end(outcome)
}

/// The end of [`inject`].
pub(super) fn unmount(pid: u32) -> ExitCode {
    end(Place::of(pid).remove().map_err(|error| error.to_string()))
}

fn end(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What the process runs. It leaves no name behind, and tells by a file how it went.
fn code(pid: u32, port: &str) -> String {
    let place = Place::of(pid).inside();
    format!(
        r#"
def _coracle():
    import os, sys
    place, key = "{place}", "PYDEVD_DISABLE_FILE_VALIDATION"
    before = os.environ.get(key)
    sys.path.insert(0, place + "/lib")
    try:
        os.environ[key] = "1"
        import debugpy
        debugpy.listen(("127.0.0.1", {port}), in_process_debug_adapter=True)
        said = "ok"
    except BaseException as error:
        said = "%s: %s" % (type(error).__name__, error)
    finally:
        sys.path.remove(place + "/lib")
        if before is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = before
    with open(place + "/report", "w") as report:
        report.write(said)
_coracle()
del _coracle
"#
    )
}

fn listens(pid: u32, port: u16) -> bool {
    let all = listeners::on_loopback(pid);
    all.iter().any(|address| address.port() == port)
}
