//! Contract of the `watch_log` port.
