//! Adapters: sql.
