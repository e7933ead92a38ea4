//! Input and output of a command in the VM.

use std::future::pending;
use std::io::{self, Read};

use coracle_daemon_api::{ErrorCode, ShellStream};
use coracle_guest_api::exec::{self, ExecFrame};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::terminal;
use crate::failure::Failure;
use crate::platform::{EndRequests, TerminalResizes};

/// What is read from stdin at once, in bytes; a frame holds more.
const CHUNK: usize = 16 << 10;

/// Runs the conversation to the command's end; returns its exit code.
pub(super) async fn hold(stream: ShellStream, interactive: bool) -> Result<u8, Failure> {
    let (reader, writer) = tokio::io::split(stream);
    // Both ways at once: each side may stop reading while the other way is full.
    tokio::select! {
        result = receive(reader) => result,
        result = send(writer, interactive) => result.map(|never| match never {}),
        // With raw mode on, this program must live on to the point where it is off again.
        result = end_request(interactive) => result,
    }
}

/// Writes the command's output until its exit.
async fn receive(mut reader: impl AsyncRead + Unpin) -> Result<u8, Failure> {
    let mut stdout = tokio::io::stdout();
    let mut stderr = tokio::io::stderr();
    loop {
        match exec::read(&mut reader).await {
            Ok(Some(ExecFrame::Stdout(bytes))) => {
                stdout.write_all(&bytes).await.map_err(written)?;
                stdout.flush().await.map_err(written)?;
            }
            Ok(Some(ExecFrame::Stderr(bytes))) => {
                stderr.write_all(&bytes).await.map_err(written)?;
                stderr.flush().await.map_err(written)?;
            }
            // Codes are what waitpid gives: 0 to 255.
            Ok(Some(ExecFrame::Exit(code))) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
            Ok(Some(ExecFrame::Stdin(_) | ExecFrame::Resize(_))) => {}
            Ok(None) | Err(_) => {
                return Err(Failure::new(
                    ErrorCode::DaemonUnreachable,
                    "the connection ended before the command did: `coracle status` tells more",
                ));
            }
        }
    }
}

/// Sends input and sizes for as long as the other side takes them; ends only by an error of this side.
async fn send(
    mut writer: impl AsyncWrite + Unpin,
    interactive: bool,
) -> Result<std::convert::Infallible, Failure> {
    let mut input = Some(stdin());
    let mut resizes = if interactive {
        Some(TerminalResizes::new()?)
    } else {
        None
    };
    loop {
        let frame = tokio::select! {
            chunk = next_chunk(&mut input) => ExecFrame::Stdin(chunk),
            () = next_resize(&mut resizes) => ExecFrame::Resize(terminal::size()),
        };
        if exec::write(&mut writer, &frame).await.is_err() {
            // The receiving side knows how it ended.
            pending::<()>().await;
        }
    }
}

async fn end_request(interactive: bool) -> Result<u8, Failure> {
    if !interactive {
        pending::<()>().await;
    }
    Ok(EndRequests::new()?.next().await)
}

async fn next_chunk(input: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Vec<u8> {
    let Some(receiver) = input else {
        return pending().await;
    };
    receiver.recv().await.unwrap_or_else(|| {
        *input = None;
        // The empty frame is the end of input.
        Vec::new()
    })
}

async fn next_resize(resizes: &mut Option<TerminalResizes>) {
    match resizes {
        Some(resizes) => resizes.next().await,
        None => pending().await,
    }
}

/// Stdin, read by a thread of its own: a read of a terminal cannot be called off, and must not
/// keep this program from its end.
fn stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; CHUNK];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    receiver
}

fn written(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::host("cannot write the command's output", &error),
    }
}
