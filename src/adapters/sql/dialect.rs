//! What differs between the engines.

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite, with one write connection.
    Sqlite,
}

impl Dialect {
    /// Begins a transaction that writes. On SQLite it takes the lock of the whole database now: a
    /// transaction that read first and asked for the lock later could be refused it.
    pub(super) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// Begins a transaction all of whose reads see the same moment.
    pub(super) fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN DEFERRED",
        }
    }

    /// Renews or takes over a lease, by the store's own clock. Binds: owner, time to live in
    /// milliseconds, name, owner.
    pub(super) fn take_lease(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "UPDATE leases SET owner = ?,
                    expires_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?
                 WHERE name = ? AND (owner = ?
                    OR expires_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER))"
            }
        }
    }

    /// Takes a lease that nobody has had before. Binds: name, owner, time to live in milliseconds.
    pub(super) fn first_lease(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "INSERT INTO leases (name, owner, expires_at)
                 VALUES (?, ?, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?)"
            }
        }
    }
}

/// A statement that locks the rows it reads until its transaction ends. SQLite needs no word for
/// it: the transaction has locked the database. A server's engine adds `FOR UPDATE`.
macro_rules! for_update {
    ($dialect:expr, $sql:literal) => {
        match $dialect {
            $crate::adapters::sql::dialect::Dialect::Sqlite => $sql,
        }
    };
}

/// The same for rows that others may go on reading: a server's engine adds `FOR SHARE`.
macro_rules! for_share {
    ($dialect:expr, $sql:literal) => {
        match $dialect {
            $crate::adapters::sql::dialect::Dialect::Sqlite => $sql,
        }
    };
}

pub(super) use {for_share, for_update};
