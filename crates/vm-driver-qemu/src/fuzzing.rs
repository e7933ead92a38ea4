//! The border's decoder for the fuzz targets in `tests/fuzz`; nothing else calls it.

/// Decodes a line as QEMU's.
pub fn qmp(line: &str) -> bool {
    crate::qmp::decode(line).is_ok()
}
