//! Tests against the real VM.
