//! Contract of the `outbox` port.
