//! What differs between the engines.

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite, with one write connection.
    Sqlite,
    /// MySQL from 8.4 on; kept to what MariaDB understands as well.
    MySql,
}

/// What a piece of work needs from its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// To read by one statement, which sees one moment by itself.
    Single,
    /// To read by several statements that all see the same moment.
    Snapshot,
    /// To write, all or nothing.
    Write,
}

impl Dialect {
    /// What begins a transaction, if there is to be one.
    pub(super) fn begin(self, frame: Frame) -> Option<&'static str> {
        match (frame, self) {
            (Frame::Single, _) => None,
            (Frame::Snapshot, Self::Sqlite) => Some("BEGIN DEFERRED"),
            // The first statement concerns the next transaction only.
            (Frame::Snapshot, Self::MySql) => Some(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
                 START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ),
            // Takes the lock of the whole database now: a transaction that read first and asked
            // for the lock later could be refused it.
            (Frame::Write, Self::Sqlite) => Some("BEGIN IMMEDIATE"),
            (Frame::Write, Self::MySql) => Some("START TRANSACTION"),
        }
    }

    /// Whether a mark `m` has a genre: what comes before the genre, and what after it.
    pub(super) fn has_genre(self) -> (&'static str, &'static str) {
        match self {
            Self::Sqlite => ("", " IN (SELECT value FROM json_each(m.genres))"),
            Self::MySql => ("JSON_CONTAINS(m.genres, CAST(", " AS CHAR))"),
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
            // Not `UNIX_TIMESTAMP`, which goes through the session's time zone and its lost hours.
            Self::MySql => {
                "UPDATE leases SET owner = ?,
                    expires_at = TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000 + ?
                 WHERE name = ? AND (owner = ? OR expires_at <=
                    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"
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
            Self::MySql => {
                "INSERT INTO leases (name, owner, expires_at) VALUES (?, ?,
                    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000 + ?)"
            }
        }
    }

    /// Makes a throttle's row and locks it, or locks the one that somebody else has made meanwhile.
    /// Not by an insert that may fail: MySQL would give all who fail a shared lock, and none of them
    /// the exclusive one that they go on to ask for. Binds: name, moment.
    pub(super) fn first_throttle(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "INSERT INTO throttles (name, expires_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
            }
            Self::MySql => {
                "INSERT INTO throttles (name, expires_at) VALUES (?, ?)
                 ON DUPLICATE KEY UPDATE name = name"
            }
        }
    }
}

/// A statement that locks the rows it reads until its transaction ends. SQLite needs no word for
/// it: the transaction has locked the database.
macro_rules! for_update {
    ($dialect:expr, $sql:literal) => {
        match $dialect {
            $crate::adapters::sql::dialect::Dialect::Sqlite => $sql,
            $crate::adapters::sql::dialect::Dialect::MySql => concat!($sql, " FOR UPDATE"),
        }
    };
}

/// The same for rows that others may go on reading. (MariaDB does not know `FOR SHARE`.)
macro_rules! for_share {
    ($dialect:expr, $sql:literal) => {
        match $dialect {
            $crate::adapters::sql::dialect::Dialect::Sqlite => $sql,
            $crate::adapters::sql::dialect::Dialect::MySql => {
                concat!($sql, " LOCK IN SHARE MODE")
            }
        }
    };
}

pub(super) use {for_share, for_update};
