//! Exchanging a refresh token for the next one.

use std::time::Duration;

use serde_json::json;
use sqlx::{AnyConnection, any::AnyRow};
use watchme_actors::{
    domain::{SessionId, Timestamp, User, UserId, UserStatus},
    ports::{Rotated, Rotation, StoreError},
};

use super::{
    super::{
        accounts::lock_user,
        audit,
        dialect::{Dialect, for_update},
        errors::Db,
        mail_queue::{self, MailKind},
        rows::{get, optional_time, parsed, time},
        throttles,
        work::Tx,
    },
    deletion,
};

/// Binds: session.
pub(in super::super) fn lock_sql(dialect: Dialect) -> &'static str {
    for_update!(
        dialect,
        "SELECT idle_until, ends_at, token_hash, parent_hash, rotated_at, sealed_child
         FROM sessions WHERE id = ?"
    )
}

/// Of sessions that were ended in so short a time one mail tells: whoever signs in and uses tokens
/// twice, again and again, fills nobody's letterbox.
const TOLD_ONCE_IN: Duration = Duration::from_secs(3_600);

/// The name under which is noted that a user was told of a session's end.
pub(in super::super) fn told(user: UserId) -> String {
    format!("session-revoked:{user}")
}

/// What a session's row says of its tokens.
struct Family {
    idle_until: Timestamp,
    ends_at: Timestamp,
    current: String,
    /// The token before, when it was exchanged, and the sealed current one.
    parent: Option<(String, Timestamp, String)>,
}

impl Family {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        let parent: Option<String> = get(row, "parent_hash")?;
        let rotated_at = optional_time(row, "rotated_at")?;
        let sealed: Option<String> = get(row, "sealed_child")?;
        Ok(Self {
            idle_until: time(row, "idle_until")?,
            ends_at: time(row, "ends_at")?,
            current: get(row, "token_hash")?,
            parent: parent
                .zip(rotated_at)
                .zip(sealed)
                .map(|((hash, at), sealed)| (hash, at, sealed)),
        })
    }
}

async fn advance(
    conn: &mut AnyConnection,
    rotation: &Rotation,
    ends_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sessions SET used_at = ?, idle_until = ?, token_hash = ?, parent_hash = ?,
            rotated_at = ?, sealed_child = ? WHERE id = ?",
    )
    .bind(rotation.now.as_millis())
    .bind(rotation.now.after(rotation.idle).min(ends_at).as_millis())
    .bind(rotation.child.as_str())
    .bind(rotation.presented.as_str())
    .bind(rotation.now.as_millis())
    .bind(rotation.sealed_child.as_str())
    .bind(rotation.session.to_string())
    .execute(conn)
    .await
    .db()?;
    Ok(())
}

/// Ends a session of which two have tokens, and says so in the log and to its user, where the address
/// is known to be the user's.
async fn revoke(
    tx: &mut Tx,
    user: &User,
    session: SessionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.end_with(deletion(session));
    let entry = audit::Entry {
        action: "session.reuse_detected",
        subject_kind: "user",
        subject_id: &user.id.to_string(),
        before: Some(json!({ "session": session })),
        after: None,
    };
    audit::record(tx, entry, now).await?;
    if !user.email_verified || !throttles::once(tx, &told(user.id), TOLD_ONCE_IN, now).await? {
        return Ok(());
    }
    mail_queue::enqueue(tx, MailKind::SessionRevoked, &user.email, Some(user.id), now).await
}

/// Exchanges a token. Whoever changes a session by its tokens holds the lock of its user's row, as
/// whoever disables or deletes an account does.
pub(super) async fn rotate(
    tx: &mut Tx,
    dialect: Dialect,
    rotation: &Rotation,
) -> Result<Rotated, StoreError> {
    let session = rotation.session.to_string();
    // The holder of a session never changes, so it may be read before the lock.
    let holder = sqlx::query("SELECT user_id FROM sessions WHERE id = ?")
        .bind(session.as_str())
        .fetch_optional(&mut **tx)
        .await
        .db()?;
    let Some(holder) = holder else { return Ok(Rotated::Refused) };
    let user = lock_user(tx, dialect, parsed(&holder, "user_id")?).await?;
    let row = sqlx::query(lock_sql(dialect))
        .bind(session.as_str())
        .fetch_optional(&mut **tx)
        .await
        .db()?;
    let (Some(user), Some(row)) = (user, row) else { return Ok(Rotated::Refused) };
    let family = Family::of(&row)?;
    if family.idle_until <= rotation.now {
        tx.end_with(deletion(rotation.session));
        return Ok(Rotated::Refused);
    }
    if user.status == UserStatus::Disabled {
        return Ok(Rotated::Refused);
    }
    if family.current == rotation.presented {
        advance(tx, rotation, family.ends_at).await?;
        return Ok(Rotated::Advanced { user: user.id });
    }
    let parent = family.parent.filter(|(hash, ..)| *hash == rotation.presented);
    match parent {
        Some((_, at, sealed_child)) if rotation.now.since(at) < rotation.grace => {
            Ok(Rotated::Repeated { user: user.id, sealed_child })
        }
        _ => {
            revoke(tx, &user, rotation.session, rotation.now).await?;
            Ok(Rotated::Reused { user: user.id })
        }
    }
}
