//! Boots a private Coracle for tests.
