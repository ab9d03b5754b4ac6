//! Taking a user out of every table.

use watchme_actors::{
    domain::{EventId, Timestamp, User, WatchChange, WatchEvent},
    ports::StoreError,
};

use super::{
    audit, errors::Db, idempotency, mail_queue, outbox, rows::number, sessions::rotation,
    throttles, work::Tx,
};

/// Deletes a user whose row is locked, and writes the user's last event. Subscriptions, sessions,
/// tokens and marks with their genres and plays go with the row, by the schema's references;
/// packages lose their maker in the same way.
pub(super) async fn erase(tx: &mut Tx, user: &User, now: Timestamp) -> Result<(), StoreError> {
    let id = user.id.to_string();
    let row = sqlx::query("SELECT watch_seq FROM users WHERE id = ?")
        .bind(id.as_str())
        .fetch_one(&mut **tx)
        .await
        .db()?;
    let seq: u64 = number(&row, "watch_seq")?;
    idempotency::forget(tx, user.id).await?;
    audit::forget(tx, user.id).await?;
    mail_queue::forget(tx, user).await?;
    throttles::forget(tx, &rotation::told(user.id)).await?;
    // What was not published yet would only come to be dropped: the user is gone.
    sqlx::query("DELETE FROM outbox WHERE user_id = ?")
        .bind(id.as_str())
        .execute(&mut **tx)
        .await
        .db()?;
    sqlx::query("DELETE FROM users WHERE id = ?")
        .bind(id.as_str())
        .execute(&mut **tx)
        .await
        .db()?;
    let event = WatchEvent {
        id: EventId::generate(),
        user_id: user.id,
        seq: seq + 1,
        at: now,
        change: WatchChange::Erased,
    };
    outbox::insert(tx, &event)
}
