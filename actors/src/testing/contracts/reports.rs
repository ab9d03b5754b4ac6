//! Contract of the `reports` port.
