//! Contract of the `catalogue` port.
