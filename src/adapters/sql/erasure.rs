//! Taking a user out of every table.

use watchme_actors::{
    domain::{EventId, Timestamp, User, UserId, WatchChange, WatchEvent},
    ports::{AccountError, StoreError},
};

use super::{
    SqlStore,
    accounts::{keep_an_admin, lock_user, note},
    audit,
    dialect::Dialect,
    errors::Db,
    idempotency, mail_queue, outbox,
    rows::number,
    sessions::rotation,
    throttles,
    work::Tx,
};

pub(super) async fn delete(
    store: &SqlStore,
    id: UserId,
    now: Timestamp,
) -> Result<(), AccountError> {
    // No index finds them in the file, where one would make every mark dearer: they are looked for
    // before, so that nobody waits who writes.
    let found = match store.dialect {
        Dialect::Sqlite => Some(outbox::of_user(store, id).await?),
        Dialect::MySql => None,
    };
    let found = found.as_ref();
    store
        .write(|mut tx| async move {
            let user =
                lock_user(&mut tx, store.dialect, id).await?.ok_or(AccountError::NotFound)?;
            keep_an_admin(&mut tx, store.dialect, &user).await?;
            note(&mut tx, "account.deleted", id, (None, None), now).await?;
            // What was not published yet would only come to be dropped: the user is gone.
            outbox::forget(&mut tx, id, found).await?;
            Ok(erase(&mut tx, &user, now).await?)
        })
        .await
}

/// Deletes a user whose row is locked, and writes the user's last event. Subscriptions, sessions,
/// tokens and marks with their plays go with the row, by the schema's references; packages lose their
/// maker in the same way.
async fn erase(tx: &mut Tx, user: &User, now: Timestamp) -> Result<(), StoreError> {
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
