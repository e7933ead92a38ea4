//! Writing to the person and to programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Where results go. Never panics on a closed pipe, as `println!` does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// JSON instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// A line of text on stdout.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Bytes on stdout, as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Failure::ReaderGone,
                _ => Failure::host("cannot write to stdout", &error),
            })
    }

    /// One document, indented for people who read it anyway.
    pub(crate) fn json_document(self, document: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string_pretty(document)?)
    }

    /// One line of a stream of documents.
    pub(crate) fn json_line(self, document: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string(document)?)
    }

    /// A line for the person on stderr, beside the result. A closed stderr is ignored.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
