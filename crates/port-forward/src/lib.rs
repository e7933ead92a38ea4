//! Published ports: wanted against actual, and the listeners.
