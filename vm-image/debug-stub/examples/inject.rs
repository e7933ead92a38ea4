//! Has the Python process PID run code: `inject PID CODE`.

use std::ffi::CString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let pid = arguments.next().and_then(|pid| pid.parse().ok());
    let code = arguments.next().and_then(|code| CString::new(code).ok());
    let (Some(pid), Some(code)) = (pid, code) else {
        eprintln!("usage: inject PID CODE");
        return ExitCode::from(2);
    };
    match coracle_debug_stub::run_python(pid, &code) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
