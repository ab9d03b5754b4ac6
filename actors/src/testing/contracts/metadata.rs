//! Contract of the `metadata` port.
