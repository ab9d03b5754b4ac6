//! Contract of the `genres` port.
