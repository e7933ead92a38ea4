//! What has been written over in the process, in memory that outlives the tracer.
//!
//! The guard (see [`crate::guard`]) puts it back when the tracer was killed.

use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// How many breakpoints there may be at a time.
pub(crate) const SLOTS: usize = 1000;

#[repr(C)]
struct Slot {
    /// 0 for a slot that is free.
    address: AtomicU64,
    /// The bytes that were there, in the machine's order.
    original: AtomicU64,
}

/// Shared between the tracer and its guard. Never unmapped: both end soon after they need it.
#[derive(Clone, Copy)]
pub(crate) struct Journal(NonNull<[Slot; SLOTS]>);

impl Journal {
    /// An empty one; shared with processes that are forked from now on.
    pub(crate) fn new() -> io::Result<Self> {
        let length = NonZeroUsize::new(size_of::<[Slot; SLOTS]>())
            .ok_or_else(|| io::Error::other("an empty journal"))?;
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let memory = unsafe {
            mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )
        }?;
        Ok(Self(memory.cast()))
    }

    fn slots(&self) -> &[Slot; SLOTS] {
        // SAFETY: the mapping has this size, is page-aligned, never unmapped, and zeroes are valid atomics.
        unsafe { self.0.as_ref() }
    }

    /// Remembers what is at `address`, before it is written over; false when there is no room.
    pub(crate) fn enter(&self, address: u64, original: u64) -> bool {
        let free = |slot: &&Slot| slot.address.load(Ordering::Acquire) == 0;
        let Some(slot) = self.slots().iter().find(free) else {
            return false;
        };
        slot.original.store(original, Ordering::Release);
        slot.address.store(address, Ordering::Release);
        true
    }

    /// Forgets `address`: it is as it was.
    pub(crate) fn strike(&self, address: u64) {
        for slot in self.slots() {
            if slot.address.load(Ordering::Acquire) == address {
                slot.address.store(0, Ordering::Release);
            }
        }
    }

    /// All addresses with what belongs there.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots().iter().filter_map(|slot| {
            let address = slot.address.load(Ordering::Acquire);
            (address != 0).then(|| (address, slot.original.load(Ordering::Acquire)))
        })
    }
}
