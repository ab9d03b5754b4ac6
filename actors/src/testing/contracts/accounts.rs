//! Contract of the `accounts` port.
