//! Questions before something is lost.

use std::io::{self, IsTerminal, Write};

use coracle_daemon_api::ErrorCode;

use crate::failure::Failure;
use crate::output::Output;

/// Tells the loss and asks the person; an error unless the answer is yes. Where nobody can be
/// asked the error names `--yes`.
pub(crate) fn deletion(output: Output, loss: &str, question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            ErrorCode::InvalidInput,
            format!("{loss} Nobody can be asked here: repeat it with --yes"),
        ));
    }
    output.note(loss);
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(
            ErrorCode::InvalidInput,
            "not confirmed: nothing was changed",
        )),
    }
}
