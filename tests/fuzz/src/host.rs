//! What other programs of the host say.

/// A line of QEMU's.
pub fn qmp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for line in text.lines() {
        coracle_vm_driver_qemu::fuzzing::qmp(line);
    }
}
