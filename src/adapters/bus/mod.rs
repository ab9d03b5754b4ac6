//! Adapters: bus.
