//! Terminals in the page, each at a shell in a container.
//!
//! A terminal ends with its shell, or when the page lets go of it; then the shell ends too. It ends also when its
//! connection does, with a VM that is suspended: the shell goes on with the VM, and is ended then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coracle_daemon_api::ApiError;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::engine::{Engine, Shell, TerminalSize};
use crate::letters::Letters;

/// Bytes that go to the page as one.
const PIECE: usize = 16 << 10;

/// Pieces that the page has not drawn yet. More wait in the container, so that Ctrl-C ends a flood at once.
const UNSEEN: usize = 8;

/// From the end of a terminal until the engine knows of its shell's.
const SETTLES: Duration = Duration::from_millis(300);

/// How often, and how long apart, a shell is tried to be ended by an engine that listens.
const ATTEMPTS: u32 = 5;
const RETRY: Duration = Duration::from_secs(1);

/// For all shells to be hung up when the app ends.
const FINALIZE: Duration = Duration::from_secs(2);

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
pub(crate) struct Terminals(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// The number of the one that was opened last.
    last: u32,
    inputs: HashMap<u32, mpsc::UnboundedSender<Input>>,
    /// Those too that the page has left and whose shells are not hung up yet.
    tasks: JoinSet<()>,
}

impl Terminals {
    /// Opens one in a container, and sends what it shows until it ends or `to` fails. `listens` says whether the
    /// engine can be asked without waking a VM.
    pub(crate) fn open(
        &self,
        engine: Engine,
        listens: watch::Receiver<bool>,
        container: String,
        size: TerminalSize,
        to: impl Fn(TerminalPiece) -> Result<(), ApiError> + Send + Sync + 'static,
    ) -> u32 {
        let (input, inputs) = mpsc::unbounded_channel();
        let mut open = self.lock();
        while open.tasks.try_join_next().is_some() {}
        open.tasks.spawn(async move {
            let (shell, terminal) = match engine.shell(&container, size).await {
                Ok(opened) => opened,
                Err(error) => {
                    let error = Some(error.message);
                    let _ = to(TerminalPiece::End { error });
                    return;
                }
            };
            let ended = converse(&shell, terminal, &container, inputs, &to).await;
            let is_left = matches!(ended, Ok(true));
            let error = ended.err().map(|error| error.message);
            let _ = to(TerminalPiece::End { error });
            if let Err(error) = leave(&shell, is_left, listens).await {
                tracing::warn!(%error, container, "a terminal's shell may run on");
            }
        });
        open.last = open.last.wrapping_add(1);
        let number = open.last;
        open.inputs.retain(|_, input| !input.is_closed());
        open.inputs.insert(number, input);
        number
    }

    /// Tells one something; one that has ended does not listen.
    pub(crate) fn tell(&self, number: u32, input: Input) {
        if let Some(terminal) = self.lock().inputs.get(&number) {
            let _ = terminal.send(input);
        }
    }

    /// Ends one.
    pub(crate) fn end(&self, number: u32) {
        self.lock().inputs.remove(&number);
    }

    /// Ends all: the page is gone.
    pub(crate) fn end_all(&self) {
        self.lock().inputs.clear();
    }

    /// Ends all and waits until their shells are hung up, but not for long: the app ends.
    pub(crate) async fn finalize(&self) {
        let mut tasks = {
            let mut open = self.lock();
            open.inputs.clear();
            std::mem::take(&mut open.tasks)
        };
        let over = async { while tasks.join_next().await.is_some() {} };
        if timeout(FINALIZE, over).await.is_err() {
            tracing::warn!("the app ends before all shells of its terminals");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the shell ends, or nobody is left to type or to look; whether it is the latter.
async fn converse(
    shell: &Shell,
    terminal: TokioIo<Upgraded>,
    container: &str,
    inputs: mpsc::UnboundedReceiver<Input>,
    to: &(impl Fn(TerminalPiece) -> Result<(), ApiError> + Sync),
) -> Result<bool, ApiError> {
    let (output, input) = tokio::io::split(terminal);
    let room = Semaphore::new(UNSEEN);
    // One does not wait for the other: a program that does not read may still write.
    tokio::select! {
        ended = show(output, container, &room, to) => ended,
        () = obey(input, shell, &room, inputs) => Ok(true),
    }
}

/// Has what runs in a terminal hung up. A terminal that nobody has left has ended with its shell, unless the connection
/// broke; with a VM that was suspended it did, and then there is an engine to ask only later.
async fn leave(
    shell: &Shell,
    is_left: bool,
    mut listens: watch::Receiver<bool>,
) -> Result<(), ApiError> {
    if !is_left {
        sleep(SETTLES).await;
    }
    let mut attempts = 1;
    loop {
        let ended = async {
            if is_left || shell.runs().await? {
                shell.hang_up().await?;
            }
            Ok(())
        };
        match ended.await {
            Err(error) if attempts < ATTEMPTS => {
                tracing::debug!(%error, "a shell is not hung up yet");
                attempts += 1;
            }
            ended => return ended,
        }
        sleep(RETRY).await;
        // Nobody tells any more when the app ends.
        if listens.wait_for(|listens| *listens).await.is_err() {
            return Ok(());
        }
    }
}

/// Until the shell writes no more, or nobody is left to look; whether it is the latter.
async fn show(
    mut output: ReadHalf<TokioIo<Upgraded>>,
    container: &str,
    room: &Semaphore,
    to: &(impl Fn(TerminalPiece) -> Result<(), ApiError> + Sync),
) -> Result<bool, ApiError> {
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
            return Ok(false);
        };
        if std::mem::take(&mut is_first) && Shell::is_missing(bytes) {
            return Err(no_shell(container));
        }
        let text = letters.whole(bytes);
        if to(TerminalPiece::Text { text }).is_err() {
            return Ok(true);
        }
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
