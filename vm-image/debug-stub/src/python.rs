//! Code run by the interpreter of a Python process, which goes on meanwhile.
//!
//! One thread is taken over at a safe point and calls the interpreter's own C API, as an extension
//! would; then it has its registers back. Safe is a thread that waits in a system call in which
//! Python holds no lock. Where there is none (all compute), an idle place is made by
//! `Py_AddPendingCall`, which may be called from anywhere: the interpreter runs the code between two
//! instructions of its own.

mod call;
mod symbols;
mod takeover;

use std::ffi::CStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::error::AttachError;
use crate::proc;
use call::Call;
use symbols::Symbols;
use takeover::{Point, Takeover};

/// How long a thread at a safe point is looked for before the second way is taken.
const LOOK_FOR: Duration = Duration::from_secs(1);

/// Why the code was not run.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// The process cannot be traced.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The interpreter cannot be called from outside.
    #[error(
        "process {0} has no CPython with a C API that can be found ({1} is missing): use an image whose \
         Python is not stripped of its dynamic symbols"
    )]
    NoInterpreter(Pid, &'static str),
    /// The system refused something.
    #[error("the interpreter of process {0} could not be called: {1}")]
    Failed(Pid, std::io::Error),
}

/// Has the interpreter run `code`, in its main module. What becomes of the code is its own affair;
/// returns when it has begun at the latest, and mostly when it is done.
///
/// The calling process must have one thread.
pub fn run_python(pid: i32, code: &CStr) -> Result<(), PythonError> {
    let pid = Pid::from_raw(pid);
    let failed = |error| PythonError::Failed(pid, error);
    let symbols = Symbols::of(pid)?;
    let until = Instant::now() + LOOK_FOR;
    loop {
        let threads = proc::threads(pid).map_err(|_| AttachError::Gone(pid))?;
        for tid in threads {
            if !takeover::seems_idle(tid) {
                continue;
            }
            let Some(taken) = Takeover::of(pid, tid, Point::Waiting)? else {
                continue;
            };
            return taken.run(&Call::now(&symbols), code).map_err(failed);
        }
        if Instant::now() > until {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    match Takeover::of(pid, pid, Point::Anywhere)? {
        Some(taken) => taken.run(&Call::soon(&symbols), code).map_err(failed),
        None => Err(AttachError::Gone(pid).into()),
    }
}
