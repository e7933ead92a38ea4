//! Terminals in the page, each at a shell in a container.
//!
//! A terminal ends with its shell, or when the page lets go of it; then the shell ends too.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coracle_daemon_api::ApiError;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};

use crate::engine::{Engine, Shell, TerminalSize};

/// Bytes that go to the page as one.
const PIECE: usize = 16 << 10;

use crate::letters::Letters;
/// Pieces that the page has not drawn yet. More wait in the container, so that Ctrl-C ends a flood at once.
const UNSEEN: usize = 8;

/// What the page gets of a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "piece")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum TerminalPiece {
    /// What the shell has written, with the terminal's controls.
    Text {
        /// Whole letters.
        text: String,
    },
    /// Nothing more comes.
    End {
        /// Why, if it is not as it should be.
        error: Option<String>,
    },
}

/// What the page tells a terminal.
#[derive(Debug)]
pub(crate) enum Input {
    /// A person has typed.
    Typed(String),
    /// It has another size.
    Size(TerminalSize),
    /// A piece has been drawn.
    Drawn,
}

/// Those that are open.
#[derive(Debug, Default)]
pub(crate) struct Terminals(Mutex<(u32, HashMap<u32, mpsc::UnboundedSender<Input>>)>);

impl Terminals {
    /// Opens one in a container, and sends what it shows until it ends or `to` fails.
    pub(crate) fn open(
        &self,
        engine: Engine,
        container: String,
        size: TerminalSize,
        to: impl Fn(TerminalPiece) -> Result<(), ApiError> + Send + Sync + 'static,
    ) -> u32 {
        let (input, inputs) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let ended = converse(&engine, &container, size, inputs, &to).await;
            let error = ended.err().map(|error| error.message);
            let _ = to(TerminalPiece::End { error });
        });
        let mut open = self.lock();
        open.0 = open.0.wrapping_add(1);
        let number = open.0;
        open.1.retain(|_, input| !input.is_closed());
        open.1.insert(number, input);
        number
    }

    /// Tells one something; one that has ended does not listen.
    pub(crate) fn tell(&self, number: u32, input: Input) {
        if let Some(terminal) = self.lock().1.get(&number) {
            let _ = terminal.send(input);
        }
    }

    /// Ends one.
    pub(crate) fn end(&self, number: u32) {
        self.lock().1.remove(&number);
    }

    /// Ends all: the page is gone.
    pub(crate) fn end_all(&self) {
        self.lock().1.clear();
    }

    fn lock(&self) -> MutexGuard<'_, (u32, HashMap<u32, mpsc::UnboundedSender<Input>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the shell ends, or nobody is left to type.
async fn converse(
    engine: &Engine,
    container: &str,
    size: TerminalSize,
    inputs: mpsc::UnboundedReceiver<Input>,
    to: &(impl Fn(TerminalPiece) -> Result<(), ApiError> + Sync),
) -> Result<(), ApiError> {
    let (shell, terminal) = engine.shell(container, size).await?;
    let (output, input) = tokio::io::split(terminal);
    let room = Semaphore::new(UNSEEN);
    // One does not wait for the other: a program that does not read may still write.
    let is_left = tokio::select! {
        ended = show(output, container, &room, to) => ended.map(|()| false),
        () = obey(input, &shell, &room, inputs) => Ok(true),
    }?;
    if is_left {
        shell.hang_up().await?;
    }
    Ok(())
}

/// Until the shell writes no more.
async fn show(
    mut output: ReadHalf<TokioIo<Upgraded>>,
    container: &str,
    room: &Semaphore,
    to: &(impl Fn(TerminalPiece) -> Result<(), ApiError> + Sync),
) -> Result<(), ApiError> {
    let mut letters = Letters::default();
    let mut buffer = vec![0; PIECE];
    let mut is_first = true;
    loop {
        // Given back when the page has drawn the piece.
        if let Ok(permit) = room.acquire().await {
            permit.forget();
        }
        // A connection that breaks ends as one that is closed.
        let count = output.read(&mut buffer).await.unwrap_or(0);
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        if std::mem::take(&mut is_first) && Shell::is_missing(bytes) {
            return Err(no_shell(container));
        }
        let text = letters.whole(bytes);
        to(TerminalPiece::Text { text })?;
    }
}

/// Until nobody is left who could type.
async fn obey(
    mut terminal: WriteHalf<TokioIo<Upgraded>>,
    shell: &Shell,
    room: &Semaphore,
    mut inputs: mpsc::UnboundedReceiver<Input>,
) {
    let (typed, mut keys) = mpsc::unbounded_channel::<String>();
    let write = async {
        while let Some(text) = keys.recv().await {
            // A shell that does not hear ends, which `show` sees.
            let _ = terminal.write_all(text.as_bytes()).await;
            let _ = terminal.flush().await;
        }
    };
    let hear = async {
        while let Some(input) = inputs.recv().await {
            match input {
                Input::Typed(text) => drop(typed.send(text)),
                Input::Drawn => room.add_permits(1),
                Input::Size(size) => {
                    if let Err(error) = shell.resize(size).await {
                        tracing::debug!(%error, "a terminal keeps its size");
                    }
                }
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = hear => {}
    }
}

fn no_shell(container: &str) -> ApiError {
    ApiError::new(
        coracle_daemon_api::ErrorCode::Missing,
        format!(
            "This container's image has neither bash nor sh. A shell beside its processes: `docker --context \
             coracle run --rm -it --pid container:{id} --network container:{id} busybox`.",
            id = container.get(..12).unwrap_or(container)
        ),
    )
}

#[cfg(test)]
mod tests;
