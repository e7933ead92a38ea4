//! Whether streams are used, for an end that puts the other one to sleep.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

/// What goes over the streams of one transport, those in the background left out.
#[derive(Debug, Default)]
pub struct Activity {
    pieces: AtomicU64,
    open: AtomicUsize,
    owed: AtomicUsize,
    asleep: AtomicBool,
    wanted: Notify,
}

impl Activity {
    /// Grows with every piece that this end has written or read.
    pub fn pieces(&self) -> u64 {
        self.pieces.load(SeqCst)
    }

    /// How many streams of this end are open by which somebody uses the other one.
    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    /// On how many of them this end has spoken last: an answer is owed, which a paused guest would never give.
    pub fn owed(&self) -> usize {
        self.owed.load(SeqCst)
    }

    pub(super) fn owes(&self) {
        self.owed.fetch_add(1, SeqCst);
    }

    pub(super) fn has_answered(&self) {
        self.owed.fetch_sub(1, SeqCst);
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, SeqCst);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    /// Whether it sleeps and nobody wants it.
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(SeqCst)
    }

    /// From now on what this end writes wakes the other one, unless it has written since `pieces` was read.
    /// Whether it is so.
    pub fn fall_asleep(&self, pieces: u64) -> bool {
        self.asleep.store(true, SeqCst);
        let silent = self.pieces() == pieces;
        if !silent {
            self.asleep.store(false, SeqCst);
        }
        silent
    }

    /// Completes when something is written to the sleeping end.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// As if something had been written.
    pub fn wake(&self) {
        // In this order: see `fall_asleep`.
        self.pieces.fetch_add(1, SeqCst);
        if self.asleep.swap(false, SeqCst) {
            self.wanted.notify_one();
        }
    }

    /// What a sleeping end had said before it fell asleep wakes nobody.
    pub(super) fn read(&self) {
        self.pieces.fetch_add(1, SeqCst);
    }
}
