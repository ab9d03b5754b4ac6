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
    accounts::lock_user,
    audit,
    errors::Db,
    passwords,
    rows::{get, number, offset, optional, parsed, time},
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
async fn note(
    conn: &mut AnyConnection,
    action: &'static str,
    session: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let subject_kind = "session";
    let entry =
        audit::Entry { action, subject_kind, subject_id: session, before: None, after: None };
    audit::record(conn, entry, now).await
}

async fn delete(conn: &mut AnyConnection, session: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE id = ?").bind(session).execute(conn).await.db()?;
    Ok(())
}

async fn insert(conn: &mut AnyConnection, new: &NewSession) -> Result<(), StoreError> {
    let ends_at = new.now.after(new.lifetime);
    sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, used_at, idle_until, ends_at, token_hash,
            user_agent, address)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.user.to_string())
    .bind(new.now.as_millis())
    .bind(new.now.as_millis())
    .bind(new.now.after(new.idle).min(ends_at).as_millis())
    .bind(ends_at.as_millis())
    .bind(new.token_hash.as_str())
    .bind(new.user_agent.as_deref())
    .bind(new.address.map(|address| address.to_string()))
    .execute(conn)
    .await
    .db()?;
    Ok(())
}

#[async_trait]
impl Sessions for SqlStore {
    async fn begin(&self, session: NewSession) -> Result<(), BeginError> {
        let new = &session;
        self.write(|mut tx| async move {
            let user = lock_user(&mut tx, self.dialect, new.user).await?;
            let user = user.ok_or(BeginError::Changed)?;
            if user.status == UserStatus::Disabled {
                return Err(BeginError::Disabled);
            }
            if !passwords::is_current(&mut tx, new.user, &new.password_hash).await? {
                return Err(BeginError::Changed);
            }
            insert(&mut tx, new).await?;
            note(&mut tx, "session.started", &new.id.to_string(), new.now).await?;
            let surplus: Vec<String> = sqlx::query_scalar(SURPLUS)
                .bind(new.user.to_string())
                .bind(MAX_SESSIONS as i64)
                .fetch_all(&mut *tx)
                .await
                .db()?;
            for session in surplus {
                delete(&mut tx, &session).await?;
                note(&mut tx, "session.ended", &session, new.now).await?;
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
        let session = session.to_string();
        let session = session.as_str();
        self.write(|mut tx| async move {
            let ended =
                sqlx::query("DELETE FROM sessions WHERE id = ? AND user_id = ? AND idle_until > ?")
                    .bind(session)
                    .bind(user.to_string())
                    .bind(now.as_millis())
                    .execute(&mut *tx)
                    .await
                    .db()?;
            let lived = ended.rows_affected() > 0;
            if lived {
                note(&mut tx, "session.ended", session, now).await?;
            }
            Ok(lived)
        })
        .await
    }
}
