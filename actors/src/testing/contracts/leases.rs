//! Contract of the `leases` port.
