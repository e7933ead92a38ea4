//! From the queue to the agent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coracle_guest_api::StreamHeader;
use coracle_guest_api::file_events::{self, Batch, Outcome};
use coracle_guest_api::mux::{MuxStream, Opener};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, broadcast};
use tokio::time::sleep;

use crate::queue::{Queue, Taken};
use crate::saved::Saved;

/// How many batches may be on their way; what comes meanwhile is merged.
const ON_THEIR_WAY: usize = 16;

/// Pause before a stream that ended is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends for ever; an agent that does not take it is asked again.
pub(crate) async fn follow(opener: &Opener, queue: &Queue, saved: &broadcast::Sender<Saved>) {
    loop {
        match opener.open(&StreamHeader::FileEvents).await {
            Ok((stream, _)) => {
                if let Err(error) = send(stream, queue, saved).await {
                    tracing::warn!(%error, "the stream of file events has ended");
                }
            }
            Err(error) => tracing::warn!(%error, "the agent takes no file events"),
        }
        sleep(PAUSE).await;
    }
}

#[derive(Debug)]
struct Sent {
    sequence: u64,
    /// How long the first of it was kept here.
    kept: Duration,
    taken: Taken,
}

struct Window {
    free: Semaphore,
    sent: Mutex<VecDeque<Sent>>,
}

async fn send(
    stream: MuxStream,
    queue: &Queue,
    saved: &broadcast::Sender<Saved>,
) -> std::io::Result<()> {
    let window = Window {
        free: Semaphore::new(ON_THEIR_WAY),
        sent: Mutex::default(),
    };
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        ended = write(writer, queue, &window) => ended,
        ended = read(reader, &window, saved) => ended,
    }
}

async fn write(
    mut writer: WriteHalf<MuxStream>,
    queue: &Queue,
    window: &Window,
) -> std::io::Result<()> {
    let mut sequence = 0;
    while let Ok(permit) = window.free.acquire().await {
        permit.forget();
        let taken = queue.take().await;
        sequence += 1;
        let share = taken.share.clone();
        let batch = Batch {
            sequence,
            share: share.guest.clone(),
            events: taken.events.clone(),
        };
        let kept = taken.seen.elapsed();
        lock(&window.sent).push_back(Sent {
            sequence,
            kept,
            taken,
        });
        if let Err(error) = file_events::write(&mut writer, &batch).await {
            queue.overflow(&share);
            return Err(error);
        }
    }
    writer.shutdown().await
}

async fn read(
    mut reader: ReadHalf<MuxStream>,
    window: &Window,
    saved: &broadcast::Sender<Saved>,
) -> std::io::Result<()> {
    while let Some((sequence, outcome)) = file_events::read_ack(&mut reader).await? {
        let sent = lock(&window.sent).pop_front();
        let Some(Sent { taken, kept, .. }) = sent.filter(|sent| sent.sequence == sequence) else {
            let text = "the agent acknowledged what was not sent";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        };
        window.free.add_permits(1);
        tracing::debug!(
            events = taken.events.len(),
            raised = !matches!(outcome, Outcome::Not),
            kept_micros = kept.as_micros() as u64,
            micros = taken.seen.elapsed().as_micros() as u64,
            "file events are told"
        );
        if saved.receiver_count() > 0 && outcome != Outcome::Not {
            // Nobody listens any more: nothing is lost.
            let _ = saved.send(Saved::of(sequence, taken, &outcome));
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
