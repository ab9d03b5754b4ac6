//! Contract of the `packages` port.
