//! How the connections to a store are used.

use std::time::Duration;

/// The connections of one pool, now, and how they were asked for since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// What the pool is for.
    pub pool: &'static str,
    /// Connections that it may open.
    pub most: u32,
    /// Those that somebody works with.
    pub in_use: u32,
    /// Those that are open and free.
    pub idle: u32,
    /// Times that a connection was asked for, and came or did not.
    pub asked: u64,
    /// Times that none came.
    pub refused: u64,
    /// How long was waited for them in all.
    pub waited: Duration,
}

/// A store with pools of connections.
pub trait Pools: Send + Sync {
    /// Its pools.
    fn pools(&self) -> Vec<PoolUse>;
}
