//! Contract of the `sync_log` port.
