//! The container images that the tests use.

use anyhow::Result;
use coracle_vm_harness::Coracle;

/// A static busybox and nothing else.
pub(crate) const BUSYBOX: &str = "coracle-sample/busybox";

/// Python with flask on Debian, one of the voting app.
pub(crate) const VOTE: &str = "coracle-sample/vote";

/// Node on Debian, one of the voting app.
pub(crate) const RESULT: &str = "coracle-sample/result";

/// Has the engine hold busybox.
pub(crate) fn busybox(coracle: &Coracle) -> Result<&'static str> {
    coracle.load("busybox.tar", BUSYBOX)?;
    Ok(BUSYBOX)
}

/// Has the engine hold the voting app's images.
pub(crate) fn voting_app(coracle: &Coracle) -> Result<&'static str> {
    coracle.load("voting-app.tar", VOTE)?;
    Ok(VOTE)
}

/// Bytes that no compression makes smaller, the same on every call.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
