//! The debug registers (Intel SDM volume 3, "Debug Registers").

use std::io;
use std::mem::offset_of;

use nix::libc::{self, c_void};
use nix::sys::ptrace;
use nix::unistd::Pid;

use crate::arch::{Watch, WatchKind};

const STATUS: usize = 6;
const CONTROL: usize = 7;

/// What all threads of a process wait for: at most four aligned places.
#[derive(Default)]
pub(crate) struct Watchpoints([Option<Watch>; 4]);

impl Watchpoints {
    /// Adds one; false when the processor has no room or cannot watch such a place.
    pub(crate) fn add(&mut self, watch: Watch) -> bool {
        let sound =
            matches!(watch.length, 1 | 2 | 4 | 8) && watch.address.is_multiple_of(watch.length);
        let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) else {
            return false;
        };
        if sound {
            *free = Some(watch);
        }
        sound
    }

    /// Takes one away; false when there is none.
    pub(crate) fn remove(&mut self, watch: Watch) -> bool {
        let slot = self.0.iter_mut().find(|slot| **slot == Some(watch));
        slot.map(|slot| *slot = None).is_some()
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self) {
        self.0 = Default::default();
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Tells the processor what a stopped thread waits for.
    pub(crate) fn apply(&self, tid: Pid) -> io::Result<()> {
        // Off first: the kernel checks an address against the length that is set.
        poke(tid, CONTROL, 0)?;
        let mut control = 0;
        for (index, watch) in self.0.iter().enumerate() {
            let Some(watch) = watch else { continue };
            poke(tid, index, watch.address)?;
            let (length, kind) = match watch.kind {
                WatchKind::Execute => (0, 0),
                WatchKind::Write => (length_bits(watch.length), 1),
                WatchKind::ReadWrite => (length_bits(watch.length), 3),
            };
            control |= 1 << (2 * index);
            control |= (kind | length << 2) << (16 + 4 * index);
        }
        poke(tid, CONTROL, control)
    }

    /// Which one a thread has hit, if any; asking takes it back.
    pub(crate) fn hit(&self, tid: Pid) -> io::Result<Option<Watch>> {
        let status = ptrace::read_user(tid, offset(STATUS))? as u64;
        if status & 0xf == 0 {
            return Ok(None);
        }
        poke(tid, STATUS, 0)?;
        let hit =
            |(index, watch): (usize, &Option<Watch>)| watch.filter(|_| status & (1 << index) != 0);
        Ok(self.0.iter().enumerate().find_map(hit))
    }
}

fn length_bits(length: u64) -> u64 {
    match length {
        8 => 2,
        other => other - 1,
    }
}

fn offset(register: usize) -> *mut c_void {
    (offset_of!(libc::user, u_debugreg) + register * size_of::<u64>()) as *mut c_void
}

fn poke(tid: Pid, register: usize, value: u64) -> io::Result<()> {
    Ok(ptrace::write_user(
        tid,
        offset(register),
        value.cast_signed(),
    )?)
}
