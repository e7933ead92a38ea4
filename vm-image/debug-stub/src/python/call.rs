//! Machine code that calls the interpreter. It is put into a page of its own in the process.

use super::symbols::Symbols;
use crate::arch::BREAKPOINT;

/// What is called, with the code's text as its argument.
pub(super) enum Call {
    /// Takes the interpreter's lock, runs the text, gives the lock back.
    Now { ensure: u64, run: u64, release: u64 },
    /// Has the interpreter run the text soon.
    Soon { add: u64, run: u64 },
}

impl Call {
    pub(super) fn now(symbols: &Symbols) -> Self {
        Self::Now {
            ensure: symbols.ensure,
            run: symbols.run,
            release: symbols.release,
        }
    }

    pub(super) fn soon(symbols: &Symbols) -> Self {
        Self::Soon {
            add: symbols.add_pending,
            run: symbols.run,
        }
    }

    /// Whether the text must stay where it is when the call has returned.
    pub(super) fn keeps_text(&self) -> bool {
        matches!(self, Self::Soon { .. })
    }

    /// The instructions, which end with a breakpoint. `text` is where the text is.
    pub(super) fn instructions(&self, text: u64) -> Vec<u8> {
        let mut code = Vec::new();
        match self {
            Self::Now {
                ensure,
                run,
                release,
            } => {
                call(&mut code, *ensure);
                // mov ebx, eax: what Release wants to have back.
                code.extend([0x89, 0xc3]);
                load_rdi(&mut code, text);
                call(&mut code, *run);
                // mov edi, ebx
                code.extend([0x89, 0xdf]);
                call(&mut code, *release);
            }
            Self::Soon { add, run } => {
                load_rdi(&mut code, *run);
                // mov rsi, text
                code.extend([0x48, 0xbe]);
                code.extend(text.to_le_bytes());
                call(&mut code, *add);
            }
        }
        code.extend(BREAKPOINT);
        code
    }
}

/// mov rdi, value
fn load_rdi(code: &mut Vec<u8>, value: u64) {
    code.extend([0x48, 0xbf]);
    code.extend(value.to_le_bytes());
}

/// mov rax, function; call rax
fn call(code: &mut Vec<u8>, function: u64) {
    code.extend([0x48, 0xb8]);
    code.extend(function.to_le_bytes());
    code.extend([0xff, 0xd0]);
}
