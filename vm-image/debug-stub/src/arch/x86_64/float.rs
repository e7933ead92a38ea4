//! The x87 registers as FXSAVE stores them, and as GDB shows them.

use nix::libc::user_fpregs_struct;

/// The x87 and SSE registers as FXSAVE stores them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Float(pub(super) user_fpregs_struct);

impl Default for Float {
    fn default() -> Self {
        // SAFETY: plain integers, for which zeroes are valid.
        Self(unsafe { std::mem::zeroed() })
    }
}

impl Float {
    /// `st0` to `st7`, 80 bits each.
    pub(super) fn stack(&self) -> [u8; 80] {
        let mut stack = [0; 80];
        let registers = self.0.st_space.chunks_exact(4);
        for (bytes, words) in stack.chunks_exact_mut(10).zip(registers) {
            let all = words.iter().flat_map(|word| word.to_le_bytes());
            bytes
                .iter_mut()
                .zip(all)
                .for_each(|(byte, new)| *byte = new);
        }
        stack
    }

    pub(super) fn set_stack(&mut self, stack: &[u8; 80]) {
        let registers = self.0.st_space.chunks_exact_mut(4);
        for (bytes, words) in stack.chunks_exact(10).zip(registers) {
            let word = |at: usize| {
                let byte = |index| u32::from(bytes.get(at + index).copied().unwrap_or_default());
                byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24
            };
            words.copy_from_slice(&[word(0), word(4), word(8), 0]);
        }
    }

    /// `fctrl`, `fstat`, `ftag`, `fiseg`, `fioff`, `foseg`, `fooff`, `fop`, the tags in their full form.
    pub(super) fn control(&self) -> [u32; 8] {
        let float = &self.0;
        [
            u32::from(float.cwd),
            u32::from(float.swd),
            u32::from(self.full_tags()),
            (float.rip >> 32) as u32 & 0xffff,
            float.rip as u32,
            (float.rdp >> 32) as u32 & 0xffff,
            float.rdp as u32,
            u32::from(float.fop),
        ]
    }

    pub(super) fn set_control(&mut self, words: [u32; 8]) {
        if words == self.control() {
            return;
        }
        let [control, status, tags, code, code_at, data, data_at, op] = words;
        let float = &mut self.0;
        float.cwd = control as u16;
        float.swd = status as u16;
        float.ftw = (0..8).fold(0, |short, number| {
            let empty = (tags >> (2 * number)) & 3 == 3;
            short | u16::from(!empty) << number
        });
        float.rip = u64::from(code) << 32 | u64::from(code_at);
        float.rdp = u64::from(data) << 32 | u64::from(data_at);
        float.fop = op as u16;
    }

    /// Two bits a physical register: valid, zero, special or empty; FXSAVE keeps only the last.
    fn full_tags(&self) -> u16 {
        let top = (self.0.swd >> 11) & 7;
        (0..8_u16).fold(0, |tags, physical| {
            let logical = usize::from((physical + 8 - top) & 7);
            let tag = match self.0.ftw & (1 << physical) {
                0 => 3,
                _ => self.tag(logical),
            };
            tags | tag << (2 * physical)
        })
    }

    fn tag(&self, logical: usize) -> u16 {
        let words = &self.0.st_space[4 * logical..4 * logical + 3];
        let mantissa = u64::from(words[1]) << 32 | u64::from(words[0]);
        match words[2] & 0x7fff {
            0x7fff => 2,
            0 if mantissa == 0 => 1,
            0 => 2,
            _ if mantissa >> 63 == 1 => 0,
            _ => 2,
        }
    }
}
