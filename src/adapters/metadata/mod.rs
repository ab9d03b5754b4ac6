//! Adapters: metadata.
