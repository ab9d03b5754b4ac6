//! The port of sessions. `idle_until` is never after `ends_at`: it alone says whether one lives.

pub(super) mod rotation;

use async_trait::async_trait;
use sqlx::{AnyConnection, any::AnyRow};
use watchme_actors::{
    domain::{Page, PageRequest, Session, SessionId, Timestamp, UserId, UserStatus},
    ports::{
        BeginError, MAX_SESSIONS, NewSession, Rotated, Rotation, Sessions, Standing, StoreError,
    },
};

use super::{
    SqlStore,
    accounts::{lock_sql, user_of},
    audit,
    batch::Batch,
    errors::Db,
    passwords,
    rows::{get, number, offset, optional, parsed, time},
    work::Tx,
};

/// Binds: session, moment, user.
pub(super) const STANDING: &str = "SELECT u.role, u.status, u.email_verified, s.id AS session_id
    FROM users u LEFT JOIN sessions s ON s.id = ? AND s.user_id = u.id AND s.idle_until > ?
    WHERE u.id = ?";

/// Binds: user, moment.
pub(super) const COUNT: &str =
    "SELECT COUNT(*) AS total FROM sessions WHERE user_id = ? AND idle_until > ?";

/// Binds: user, moment, size, offset.
pub(super) const OF_USER: &str =
    "SELECT id, user_id, created_at, used_at, idle_until, user_agent, address FROM sessions
    WHERE user_id = ? AND idle_until > ? ORDER BY id DESC LIMIT ? OFFSET ?";

/// Those beyond the newest by use; more than a few never are. Binds: user, how many may stay.
pub(super) const SURPLUS: &str = "SELECT id FROM sessions WHERE user_id = ?
    ORDER BY used_at DESC, id DESC LIMIT 100 OFFSET ?";

/// Ends every session of a user, but for one that is kept; how many that were.
pub(super) async fn end_all(
    conn: &mut AnyConnection,
    user: UserId,
    except: Option<SessionId>,
) -> Result<u64, StoreError> {
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = ? AND id <> ?")
        .bind(user.to_string())
        .bind(except.map_or_else(String::new, |session| session.to_string()))
        .execute(conn)
        .await
        .db()?;
    Ok(ended.rows_affected())
}

fn session_of(row: &AnyRow) -> Result<Session, StoreError> {
    Ok(Session {
        id: parsed(row, "id")?,
        user_id: parsed(row, "user_id")?,
        created_at: time(row, "created_at")?,
        used_at: time(row, "used_at")?,
        expires_at: time(row, "idle_until")?,
        user_agent: get(row, "user_agent")?,
        address: optional(row, "address")?,
    })
}

fn standing_of(row: &AnyRow) -> Result<Standing, StoreError> {
    Ok(Standing {
        role: parsed(row, "role")?,
        status: parsed(row, "status")?,
        email_verified: get::<i32>(row, "email_verified")? != 0,
        session_lives: get::<Option<String>>(row, "session_id")?.is_some(),
    })
}

/// Notes that a session has begun or ended.
fn note(tx: &mut Tx, action: &'static str, session: SessionId, now: Timestamp) {
    let (subject_kind, subject_id) = ("session", &*session.to_string());
    let entry = audit::Entry { action, subject_kind, subject_id, before: None, after: None };
    audit::record_at_end(tx, entry, now);
}

pub(super) fn deletion(session: SessionId) -> Batch {
    Batch::new().then("DELETE FROM sessions WHERE id = ?").bind(session.as_uuid())
}

fn insertion(new: &NewSession) -> Batch {
    let ends_at = new.now.after(new.lifetime);
    Batch::new()
        .then(
            "INSERT INTO sessions (id, user_id, created_at, used_at, idle_until, ends_at,
                token_hash, user_agent, address)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.id.as_uuid())
        .bind(new.user.as_uuid())
        .bind(new.now.as_millis())
        .bind(new.now.as_millis())
        .bind(new.now.after(new.idle).min(ends_at).as_millis())
        .bind(ends_at.as_millis())
        .bind(new.token_hash.as_str())
        .bind(new.user_agent.clone())
        .bind(new.address.map(|address| address.to_string()))
}

#[async_trait]
impl Sessions for SqlStore {
    async fn begin(&self, session: NewSession) -> Result<(), BeginError> {
        let new = &session;
        let opening = Batch::new()
            .then(lock_sql(self.dialect))
            .bind(new.user.as_uuid())
            .then(passwords::IS_CURRENT)
            .bind(new.user.as_uuid())
            .bind(new.password_hash.as_str())
            .then(SURPLUS)
            .bind(new.user.as_uuid())
            .bind(MAX_SESSIONS as i64 - 1);
        self.write_after(&opening, |mut tx, mut answers| async move {
            let (user, current, surplus) = (answers.rows(), answers.rows(), answers.rows());
            let user = user.first().map(user_of).transpose()?.ok_or(BeginError::Changed)?;
            if user.status == UserStatus::Disabled {
                return Err(BeginError::Disabled);
            }
            if current.is_empty() {
                return Err(BeginError::Changed);
            }
            tx.end_with(insertion(new));
            note(&mut tx, "session.started", new.id, new.now);
            for row in &surplus {
                let session = parsed(row, "id")?;
                tx.end_with(deletion(session));
                note(&mut tx, "session.ended", session, new.now);
            }
            Ok(())
        })
        .await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        let wanted = &rotation;
        self.write(|mut tx| async move { rotation::rotate(&mut tx, self.dialect, wanted).await })
            .await
    }

    async fn standing(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<Standing>, StoreError> {
        self.read(|mut tx| async move {
            let row = sqlx::query(STANDING)
                .bind(session.to_string())
                .bind(now.as_millis())
                .bind(user.to_string())
                .fetch_optional(&mut *tx)
                .await
                .db()?;
            row.as_ref().map(standing_of).transpose()
        })
        .await
    }

    async fn sessions(
        &self,
        user: UserId,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError> {
        self.snapshot(|mut tx| async move {
            let count = sqlx::query(COUNT)
                .bind(user.to_string())
                .bind(now.as_millis())
                .fetch_one(&mut *tx)
                .await
                .db()?;
            let rows = sqlx::query(OF_USER)
                .bind(user.to_string())
                .bind(now.as_millis())
                .bind(i64::from(page.size()))
                .bind(offset(page))
                .fetch_all(&mut *tx)
                .await
                .db()?;
            Ok(Page {
                items: rows.iter().map(session_of).collect::<Result<_, _>>()?,
                total_items: number(&count, "total")?,
                request: page,
            })
        })
        .await
    }

    async fn end(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|mut tx| async move {
            let ended =
                sqlx::query("DELETE FROM sessions WHERE id = ? AND user_id = ? AND idle_until > ?")
                    .bind(session.to_string())
                    .bind(user.to_string())
                    .bind(now.as_millis())
                    .execute(&mut *tx)
                    .await
                    .db()?;
            let lived = ended.rows_affected() > 0;
            if lived {
                note(&mut tx, "session.ended", session, now);
            }
            Ok(lived)
        })
        .await
    }
}
