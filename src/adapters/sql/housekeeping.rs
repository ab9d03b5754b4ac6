//! The port of housekeeping: deleting what has expired, a batch at a time.

use async_trait::async_trait;
use watchme_actors::{
    domain::Timestamp,
    ports::{Expiry, Housekeeping, StoreError, Swept},
};

use super::{SqlStore, errors::Db, idempotency};

/// Rows that one statement deletes, more only where they expired in the same millisecond.
const BATCH: i64 = 500;

/// How one kind of thing is deleted.
pub(super) struct Kind {
    /// The latest expiry of one batch of the earliest: a bound that no engine needs
    /// `DELETE … LIMIT` for. Binds: moment, size.
    pub(super) batch: &'static str,
    /// Binds: that expiry.
    pub(super) delete: &'static str,
}

macro_rules! kind {
    ($table:literal, $column:literal) => {
        Kind {
            batch: concat!(
                "SELECT MAX(expiry) FROM (SELECT ",
                $column,
                " AS expiry FROM ",
                $table,
                " WHERE ",
                $column,
                " <= ? ORDER BY ",
                $column,
                " LIMIT ?) AS batch"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE ", $column, " <= ?"),
        }
    };
}

pub(super) const AUDIT_ENTRIES: Kind = kind!("audit_log", "at");
pub(super) const THROTTLES: Kind = kind!("throttles", "expires_at");
pub(super) const MAIL_TOKENS: Kind = kind!("mail_tokens", "expires_at");
// Never idle for longer than until its end.
pub(super) const SESSIONS: Kind = kind!("sessions", "idle_until");
pub(super) const MAILS: Kind = kind!("mail_queue", "created_at");
pub(super) const IDEMPOTENCY_KEYS: Kind = kind!("idempotency_keys", "created_at");

impl SqlStore {
    async fn sweep_kind(&self, kind: &Kind, until: Timestamp) -> Result<u64, StoreError> {
        let bound: Option<i64> = self
            .read_on(|mut tx| async move {
                sqlx::query_scalar(kind.batch)
                    .bind(until.as_millis())
                    .bind(BATCH)
                    .fetch_one(&mut *tx)
                    .await
                    .db()
            })
            .await?;
        let Some(bound) = bound else { return Ok(0) };
        self.write_on(|mut tx| async move {
            let deleted = sqlx::query(kind.delete).bind(bound).execute(&mut *tx).await.db()?;
            Ok(deleted.rows_affected())
        })
        .await
    }
}

#[async_trait]
impl Housekeeping for SqlStore {
    async fn sweep(&self, expiry: Expiry) -> Result<Swept, StoreError> {
        let Expiry { now, audit_before, mails_before } = expiry;
        Ok(Swept {
            audit_entries: self.sweep_kind(&AUDIT_ENTRIES, audit_before).await?,
            throttles: self.sweep_kind(&THROTTLES, now).await?,
            mail_tokens: self.sweep_kind(&MAIL_TOKENS, now).await?,
            sessions: self.sweep_kind(&SESSIONS, now).await?,
            mails: self.sweep_kind(&MAILS, mails_before).await?,
            idempotency_keys: self
                .sweep_kind(&IDEMPOTENCY_KEYS, idempotency::expired_at(now))
                .await?,
        })
    }
}
