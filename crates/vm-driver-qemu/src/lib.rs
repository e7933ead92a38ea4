//! The VM driver for QEMU on Linux.
