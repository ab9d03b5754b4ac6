//! Every adapter against the contract of its ports.

mod documents;
