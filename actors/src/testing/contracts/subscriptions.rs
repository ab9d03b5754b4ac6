//! Contract of the `subscriptions` port.
