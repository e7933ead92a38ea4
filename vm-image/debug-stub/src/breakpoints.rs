//! Software breakpoints: instructions that trap, written over the program's own.

use std::collections::BTreeMap;
use std::io;

use crate::arch::BREAKPOINT;
use crate::journal::Journal;
use crate::memory::Memory;

type Instruction = [u8; BREAKPOINT.len()];

/// The breakpoints of one process.
pub(crate) struct Breakpoints {
    journal: Journal,
    originals: BTreeMap<u64, Instruction>,
    /// How many children run in the same memory (vfork): nothing may trap meanwhile.
    lifted: u32,
}

impl Breakpoints {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            journal,
            originals: BTreeMap::new(),
            lifted: 0,
        }
    }

    /// Whether there is one.
    pub(crate) fn has(&self, address: u64) -> bool {
        self.originals.contains_key(&address)
    }

    /// Sets one; false when nothing is mapped there or there are too many. Twice is once.
    pub(crate) fn insert(&mut self, memory: &Memory, address: u64) -> bool {
        if self.has(address) {
            return true;
        }
        let mut original = Instruction::default();
        let read = memory.read(address, &mut original);
        if !matches!(read, Ok(length) if length == original.len()) {
            return false;
        }
        if !self.journal.enter(address, pack(original)) {
            return false;
        }
        if self.lifted == 0 && memory.write(address, &BREAKPOINT).is_err() {
            self.journal.strike(address);
            return false;
        }
        self.originals.insert(address, original);
        true
    }

    /// Takes one away; false when there is none.
    pub(crate) fn remove(&mut self, memory: &Memory, address: u64) -> bool {
        let Some(original) = self.originals.remove(&address) else {
            return false;
        };
        if self.lifted == 0
            && let Err(error) = memory.write(address, &original)
        {
            // The mapping has gone, and the breakpoint with it.
            tracing::debug!("a breakpoint at {address:#x} was not taken away: {error}");
        }
        self.journal.strike(address);
        true
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self, memory: &Memory) {
        while let Some((&address, _)) = self.originals.first_key_value() {
            self.remove(memory, address);
        }
        self.lifted = 0;
    }

    /// Forgets all: the program they were in is gone.
    pub(crate) fn forget(&mut self) {
        for address in std::mem::take(&mut self.originals).into_keys() {
            self.journal.strike(address);
        }
        self.lifted = 0;
    }

    /// Makes the copy of a forked child as the program was written.
    pub(crate) fn mend(&self, child: &Memory) -> io::Result<()> {
        if self.lifted == 0 {
            for (address, original) in &self.originals {
                child.write(*address, original)?;
            }
        }
        Ok(())
    }

    /// Nothing traps until [`lower`](Self::lower), once for each call.
    pub(crate) fn lift(&mut self, memory: &Memory) {
        if self.lifted == 0 {
            self.write_all(memory, |_, original| original);
        }
        self.lifted += 1;
    }

    /// The end of one [`lift`](Self::lift).
    pub(crate) fn lower(&mut self, memory: &Memory) {
        self.lifted = self.lifted.saturating_sub(1);
        if self.lifted == 0 {
            self.write_all(memory, |_, _| BREAKPOINT);
        }
    }

    fn write_all(&self, memory: &Memory, what: impl Fn(u64, Instruction) -> Instruction) {
        for (address, original) in &self.originals {
            let bytes = what(*address, *original);
            if let Err(error) = memory.write(*address, &bytes) {
                tracing::debug!("a breakpoint at {address:#x} was not changed: {error}");
            }
        }
    }

    /// Lets bytes that were read from `address` on look as if there were none.
    pub(crate) fn hide(&self, address: u64, bytes: &mut [u8]) {
        self.overlaps(address, bytes.len(), |at, index, original| {
            bytes[at] = original[index];
        });
    }

    /// Takes over bytes that are about to be written; returns what to write so that none is lost.
    pub(crate) fn keep(&mut self, address: u64, bytes: &[u8]) -> Vec<u8> {
        let mut patched = bytes.to_vec();
        let lifted = self.lifted > 0;
        let mut changed = Vec::new();
        self.overlaps(address, bytes.len(), |at, index, _| {
            if !lifted {
                patched[at] = BREAKPOINT[index];
            }
            changed.push((address + (at - index) as u64, index, bytes[at]));
        });
        for (breakpoint, index, byte) in changed {
            if let Some(original) = self.originals.get_mut(&breakpoint) {
                original[index] = byte;
                self.journal.strike(breakpoint);
                self.journal.enter(breakpoint, pack(*original));
            }
        }
        patched
    }

    fn overlaps(
        &self,
        address: u64,
        length: usize,
        mut each: impl FnMut(usize, usize, Instruction),
    ) {
        let first = address.saturating_sub(BREAKPOINT.len() as u64 - 1);
        let end = address.saturating_add(length as u64);
        for (breakpoint, original) in self.originals.range(first..end) {
            for index in 0..original.len() {
                let byte = breakpoint + index as u64;
                if (address..end).contains(&byte) {
                    each((byte - address) as usize, index, *original);
                }
            }
        }
    }
}

/// An instruction as the journal keeps it.
fn pack(instruction: Instruction) -> u64 {
    let mut bytes = [0; 8];
    bytes[..instruction.len()].copy_from_slice(&instruction);
    u64::from_ne_bytes(bytes)
}

/// Puts back what the journal says, where a breakpoint still is.
pub(crate) fn repair(memory: &Memory, journal: &Journal) {
    for (address, original) in journal.entries() {
        let mut found = Instruction::default();
        if memory.read(address, &mut found).is_ok() && found == BREAKPOINT {
            let original = &original.to_ne_bytes()[..found.len()];
            if let Err(error) = memory.write(address, original) {
                tracing::warn!("a breakpoint at {address:#x} stays: {error}");
            }
        }
        journal.strike(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::getpid;

    /// On memory of our own: `/proc/self/mem` is as good as another's.
    #[test]
    fn what_is_read_and_written_shows_no_breakpoint() {
        let page = vec![0x90_u8; 64].into_boxed_slice();
        let address = page.as_ptr() as u64;
        let memory = Memory::open(getpid()).unwrap();
        let journal = Journal::new().unwrap();
        let mut breakpoints = Breakpoints::new(journal);
        let seen = |at: u64| {
            let mut byte = [0];
            memory.read(at, &mut byte).unwrap();
            byte[0]
        };
        assert!(breakpoints.insert(&memory, address + 8));
        assert!(!breakpoints.insert(&memory, 0));
        assert_eq!(seen(address + 8), BREAKPOINT[0]);
        let mut bytes = [0; 16];
        memory.read(address, &mut bytes).unwrap();
        breakpoints.hide(address, &mut bytes);
        assert_eq!(bytes, [0x90; 16]);

        let written = breakpoints.keep(address, &[0x91; 16]);
        memory.write(address, &written).unwrap();
        assert_eq!(seen(address + 8), BREAKPOINT[0]);
        breakpoints.lift(&memory);
        assert_eq!(seen(address + 8), 0x91);
        breakpoints.lower(&memory);
        assert_eq!(seen(address + 8), BREAKPOINT[0]);

        repair(&memory, &journal);
        assert_eq!(seen(address + 8), 0x91);
        assert_eq!(journal.entries().count(), 0);
    }
}
