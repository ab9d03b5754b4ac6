//! Adapters: documents.
