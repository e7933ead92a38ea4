//! Memory of streams that have ended goes back to the kernel, and from there to the host.
//!
//! The C library keeps what was freed between pieces that are in use: after two thousand
//! connections that is a hundred times what an idle agent needs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// So many streams have to end before it is worth a look.
const WORTH: usize = 64;

/// Streams that end together are looked after together.
const SETTLE: Duration = Duration::from_secs(2);

/// Counts streams that ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    count: AtomicUsize,
    enough: Notify,
}

impl Ended {
    /// One more.
    pub(crate) fn tell(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 >= WORTH {
            self.enough.notify_one();
        }
    }

    /// Gives back what they held, for as long as it is polled.
    pub(crate) async fn give_back(&self) -> std::convert::Infallible {
        loop {
            self.enough.notified().await;
            tokio::time::sleep(SETTLE).await;
            self.count.store(0, Ordering::Relaxed);
            let trimming = tokio::task::spawn_blocking(|| {
                // SAFETY: it takes the allocator's own locks and touches no memory in use.
                unsafe { nix::libc::malloc_trim(0) }
            });
            // It cannot panic, and if it could not run there is nothing to do about it.
            let _ = trimming.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_that_ended_are_looked_after_and_a_few_are_not() {
        let ended = Ended::default();
        let looked_after = async |count| {
            (0..count).for_each(|_| ended.tell());
            let time = tokio::time::timeout(10 * SETTLE, ended.give_back());
            assert!(time.await.is_err(), "it goes on");
            ended.count.load(Ordering::Relaxed)
        };
        assert_eq!(looked_after(WORTH - 1).await, WORTH - 1);
        assert_eq!(looked_after(1).await, 0);
    }
}
