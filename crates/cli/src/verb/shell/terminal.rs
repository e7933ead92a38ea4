//! The person's terminal.

use std::{io, panic};

use coracle_guest_api::exec::TerminalSize;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// The terminal's size now; the classic one when it does not know its own.
pub(super) fn size() -> TerminalSize {
    let (columns, rows) = match crossterm::terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
        _ => (80, 24),
    };
    TerminalSize { rows, columns }
}

/// The terminal hands on every key while this lives, and is as before afterwards, after a
/// panic too.
pub(super) struct RawTerminal(());

impl RawTerminal {
    pub(super) fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let previous = panic::take_hook();
        // Before the message of the panic, which would come out as a staircase.
        panic::set_hook(Box::new(move |info| {
            let _ = disable_raw_mode();
            previous(info);
        }));
        Ok(Self(()))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
    }
}
