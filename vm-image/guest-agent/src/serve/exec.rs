//! A process in the guest: started with pipes or a terminal, its input and output as frames.

mod spawn;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::exec::{self, ExecFrame, ExecRequest, MAX_FRAME};
use coracle_guest_api::mux::MuxStream;
use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::sync::{mpsc, watch};

use super::{Failure, accept};
use crate::guest::Guest;
use crate::reaper::Target;
use spawn::{Input, Session};

/// Once a process has ended, its output counts as complete after this long without a byte: what
/// it left in the background may hold the pipe for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// How long a process may go on after the daemon has hung up.
const AFTER_HANG_UP: Duration = Duration::from_secs(2);

/// Runs the process for as long as the stream stays.
pub(super) async fn exec(
    guest: &Arc<Guest>,
    request: ExecRequest,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    let session = match spawn::start(&guest.reaper, &request) {
        Ok(session) => session,
        Err(error) => return not_started(&request, &error, stream).await,
    };
    let pid = session.pid;
    let outcome = match accept(&mut stream).await {
        Ok(()) => run(session, stream).await,
        Err(failure) => Err(failure),
    };
    // Does nothing to a process that has ended.
    guest.reaper.signal(pid, Target::Group, Signal::SIGHUP);
    let guest = guest.clone();
    tokio::spawn(async move {
        tokio::time::sleep(AFTER_HANG_UP).await;
        guest.reaper.signal(pid, Target::Group, Signal::SIGKILL);
    });
    outcome
}

/// A command that cannot be started ends as a shell would let it end: with a sentence on its
/// error output, and 127 where there is no such command, else 126.
async fn not_started(
    request: &ExecRequest,
    error: &io::Error,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    let name = request.argv.first().map_or("the shell", String::as_str);
    // The system's error for a missing folder is the same as for a missing program.
    let folder = request
        .cwd
        .as_deref()
        .filter(|cwd| !Path::new(cwd).is_dir());
    let (why, code) = match (folder, error.kind()) {
        (Some(folder), _) => (format!("there is no folder {folder} in the VM"), 126),
        (None, io::ErrorKind::NotFound) => (format!("there is no command {name} in the VM"), 127),
        (None, _) => (format!("cannot run {name} in the VM: {error}"), 126),
    };
    accept(&mut stream).await?;
    let said = match request.tty {
        Some(_) => ExecFrame::Stdout(format!("coracle: {why}\r\n").into_bytes()),
        None => ExecFrame::Stderr(format!("coracle: {why}\n").into_bytes()),
    };
    exec::write(&mut stream, &said).await?;
    exec::write(&mut stream, &ExecFrame::Exit(code)).await?;
    Ok(stream.shutdown().await?)
}

/// Carries frames until the process has ended and its output is sent, or the daemon hangs up.
async fn run(session: Session, stream: MuxStream) -> Result<(), Failure> {
    let Session {
        mut exit,
        input,
        output,
        error_output,
        pid: _,
    } = session;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (frames, mut queue) = mpsc::channel(1);
    let (ended, has_ended) = watch::channel(false);
    let pump_out = pump(output, ExecFrame::Stdout, frames.clone(), has_ended.clone());
    let pump_error = async {
        if let Some(output) = error_output {
            pump(output, ExecFrame::Stderr, frames, has_ended).await;
        } else {
            drop(frames);
        }
    };
    let wait = async {
        let status = exit.wait().await;
        ended.send_replace(true);
        status
    };
    let process = async {
        let send = send_all(&mut queue, &mut writer);
        let (status, (), (), sent) = tokio::join!(wait, pump_out, pump_error, send);
        sent.map(|()| status)
    };
    let hang_up = take_input(&mut reader, input);
    let status = tokio::select! {
        status = process => status?,
        outcome = hang_up => return Ok(outcome?),
    };
    exec::write(&mut writer, &ExecFrame::Exit(exit_code(status))).await?;
    Ok(writer.shutdown().await?)
}

/// Reads `output` to its end, or to its last byte after the process has ended.
async fn pump(
    mut output: impl AsyncRead + Unpin,
    frame: fn(Vec<u8>) -> ExecFrame,
    frames: mpsc::Sender<ExecFrame>,
    mut has_ended: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; MAX_FRAME];
    loop {
        let silence = async {
            // The sender waits beside this and outlives it.
            let _ = has_ended.wait_for(|ended| *ended).await;
            tokio::time::sleep(LAST_OUTPUT).await;
        };
        let read = tokio::select! {
            biased;
            read = output.read(&mut buffer) => read,
            () = silence => return,
        };
        match read {
            Ok(length @ 1..) => {
                if frames.send(frame(buffer[..length].to_vec())).await.is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return,
        }
    }
}

async fn send_all(
    queue: &mut mpsc::Receiver<ExecFrame>,
    writer: &mut WriteHalf<MuxStream>,
) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        exec::write(writer, &frame).await?;
    }
    Ok(())
}

/// Feeds the process until the daemon hangs up, which is when this returns.
async fn take_input(reader: &mut (impl AsyncRead + Unpin), mut input: Input) -> io::Result<()> {
    while let Some(frame) = exec::read(reader).await? {
        match frame {
            ExecFrame::Stdin(bytes) if bytes.is_empty() => input.end().await,
            ExecFrame::Stdin(bytes) => input.feed(&bytes).await,
            ExecFrame::Resize(size) => input.resize(size),
            ExecFrame::Stdout(_) | ExecFrame::Stderr(_) | ExecFrame::Exit(_) => {
                let text = "the daemon sent a frame that only the agent may send";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    Ok(())
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(-1)
}
