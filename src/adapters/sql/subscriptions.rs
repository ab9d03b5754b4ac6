//! The port of subscriptions.

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{AnyConnection, any::AnyRow};
use watchme_actors::{
    domain::{
        Holding, PackageRef, Page, PageRequest, Subscription, SubscriptionId, Timestamp, UserId,
    },
    ports::{
        Created, IdempotencyKey, NewSubscription, StoreError, SubscriptionError, Subscriptions,
        current_act,
    },
};

use super::{
    SqlStore,
    accounts::lock_user,
    audit,
    dialect::{Dialect, for_share},
    errors::Db,
    idempotency::{self, Claim},
    rows::{end, end_millis, number, offset, optional_time, parsed, time},
};

/// The columns of a subscription with its package in its effective version: the higher of its own
/// and the package's floor.
macro_rules! effective {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.user_id, s.package_id, s.starts_at, s.ends_at, v.version, v.name
             FROM subscriptions s
             JOIN packages p ON p.id = s.package_id
             JOIN package_versions v ON v.package_id = p.id AND v.version =
                CASE WHEN s.version > p.floor_version THEN s.version ELSE p.floor_version END ",
            $rest
        )
    };
}

pub(super) const ONE: &str = effective!("WHERE s.id = ?");
pub(super) const OF_USER: &str =
    effective!("WHERE s.user_id = ? ORDER BY s.id DESC LIMIT ? OFFSET ?");
pub(super) const HOLDINGS: &str = effective!("WHERE s.user_id = ? AND s.ends_at > ? ORDER BY s.id");

pub(super) const COUNT_OF_USER: &str =
    "SELECT COUNT(*) AS total FROM subscriptions WHERE user_id = ?";

/// Whether the user holds the package at some moment of a time. A subscription that was cancelled
/// before it began holds nothing.
pub(super) const OVERLAP: &str = "SELECT id FROM subscriptions
    WHERE user_id = ? AND package_id = ? AND ends_at > ? AND starts_at < ? AND starts_at < ends_at
    LIMIT 1";

fn package_of(row: &AnyRow) -> Result<PackageRef, StoreError> {
    Ok(PackageRef {
        id: parsed(row, "package_id")?,
        name: parsed(row, "name")?,
        version: number(row, "version")?,
    })
}

fn subscription_of(row: &AnyRow) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        id: parsed(row, "id")?,
        user_id: parsed(row, "user_id")?,
        package: package_of(row)?,
        starts_at: time(row, "starts_at")?,
        ends_at: end(row, "ends_at")?,
    })
}

fn holding_of(row: &AnyRow) -> Result<Holding, StoreError> {
    Ok(Holding {
        subscription: parsed(row, "id")?,
        package: package_of(row)?,
        starts_at: time(row, "starts_at")?,
        ends_at: end(row, "ends_at")?,
    })
}

async fn one(
    conn: &mut AnyConnection,
    id: SubscriptionId,
) -> Result<Option<Subscription>, StoreError> {
    let row = sqlx::query(ONE).bind(id.to_string()).fetch_optional(conn).await.db()?;
    row.as_ref().map(subscription_of).transpose()
}

async fn insert(
    conn: &mut AnyConnection,
    dialect: Dialect,
    new: &NewSubscription,
) -> Result<Subscription, SubscriptionError> {
    if lock_user(conn, dialect, new.user).await?.is_none() {
        return Err(SubscriptionError::UserNotFound);
    }
    let package = sqlx::query(for_share!(
        dialect,
        "SELECT id AS package_id, name, version, archived_at FROM packages WHERE id = ?"
    ))
    .bind(new.package.to_string())
    .fetch_optional(&mut *conn)
    .await
    .db()?
    .ok_or(SubscriptionError::PackageNotFound)?;
    if optional_time(&package, "archived_at")?.is_some() {
        return Err(SubscriptionError::PackageArchived);
    }
    let overlap = sqlx::query(OVERLAP)
        .bind(new.user.to_string())
        .bind(new.package.to_string())
        .bind(new.starts_at.as_millis())
        .bind(end_millis(new.ends_at))
        .fetch_optional(&mut *conn)
        .await
        .db()?;
    if overlap.is_some() {
        return Err(SubscriptionError::AlreadySubscribed);
    }
    let subscription = Subscription {
        id: SubscriptionId::generate(),
        user_id: new.user,
        package: package_of(&package)?,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
    };
    sqlx::query(
        "INSERT INTO subscriptions (id, user_id, package_id, version, starts_at, ends_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(subscription.id.to_string())
    .bind(subscription.user_id.to_string())
    .bind(subscription.package.id.to_string())
    .bind(i64::from(subscription.package.version))
    .bind(subscription.starts_at.as_millis())
    .bind(end_millis(subscription.ends_at))
    .execute(conn)
    .await
    .db()?;
    Ok(subscription)
}

/// Notes what somebody does for somebody else. What users do for themselves is in their lists.
/// The subject is the user, so that what this tells of a person goes with the account.
async fn note(
    conn: &mut AnyConnection,
    action: &'static str,
    user: UserId,
    (before, after): (Option<Value>, Value),
    now: Timestamp,
) -> Result<(), StoreError> {
    let actor = current_act().and_then(|act| act.actor);
    if actor.is_none_or(|actor| actor == user) {
        return Ok(());
    }
    let subject_id = &user.to_string();
    let entry =
        audit::Entry { action, subject_kind: "user", subject_id, before, after: Some(after) };
    audit::record(conn, entry, now).await
}

#[async_trait]
impl Subscriptions for SqlStore {
    async fn subscribe(
        &self,
        subscription: NewSubscription,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Subscription>, SubscriptionError> {
        let subscription = &subscription;
        self.write(|mut tx| async move {
            let claim = idempotency::claim(&mut tx, idempotency, subscription.now).await?;
            if let Claim::Repeated(made) = claim {
                return Ok(Created::Before(made));
            }
            let made = insert(&mut tx, self.dialect, subscription).await?;
            let after = json!({ "subscription": made.id, "package": made.package.id,
                "startsAt": made.starts_at, "endsAt": made.ends_at });
            let change = (None, after);
            note(&mut tx, "subscription.created", made.user_id, change, subscription.now).await?;
            idempotency::answer(&mut tx, idempotency, Some(made.user_id), &made).await?;
            Ok(Created::Now(made))
        })
        .await
    }

    async fn made_before(
        &self,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Subscription>, SubscriptionError> {
        self.snapshot(|mut tx| async move { Ok(idempotency::answered(&mut tx, key, now).await?) })
            .await
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.read(|mut tx| async move { one(&mut tx, id).await }).await
    }

    async fn subscriptions(
        &self,
        user: UserId,
        page: PageRequest,
    ) -> Result<Page<Subscription>, StoreError> {
        self.snapshot(|mut tx| async move {
            let count =
                sqlx::query(COUNT_OF_USER).bind(user.to_string()).fetch_one(&mut *tx).await.db()?;
            let rows = sqlx::query(OF_USER)
                .bind(user.to_string())
                .bind(i64::from(page.size()))
                .bind(offset(page))
                .fetch_all(&mut *tx)
                .await
                .db()?;
            Ok(Page {
                items: rows.iter().map(subscription_of).collect::<Result<_, _>>()?,
                total_items: number(&count, "total")?,
                request: page,
            })
        })
        .await
    }

    async fn cancel(
        &self,
        id: SubscriptionId,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Result<Subscription, SubscriptionError> {
        self.write(|mut tx| async move {
            // The holder of a subscription never changes, so it may be read before the lock.
            let holder = one(&mut tx, id).await?.ok_or(SubscriptionError::NotFound)?.user_id;
            // A mark that was asked for before this moment and comes after it is judged at this one.
            // This is also what locks the user's row.
            sqlx::query(
                "UPDATE users SET cancelled_at =
                CASE WHEN cancelled_at < ? THEN ? ELSE cancelled_at END WHERE id = ?",
            )
            .bind(now.as_millis())
            .bind(now.as_millis())
            .bind(holder.to_string())
            .execute(&mut *tx)
            .await
            .db()?;
            let end = ends_at.max(now).as_millis();
            let before = one(&mut tx, id).await?.ok_or(SubscriptionError::NotFound)?;
            sqlx::query("UPDATE subscriptions SET ends_at = ? WHERE id = ? AND ends_at > ?")
                .bind(end)
                .bind(id.to_string())
                .bind(end)
                .execute(&mut *tx)
                .await
                .db()?;
            let after = one(&mut tx, id).await?.ok_or(SubscriptionError::NotFound)?;
            if after != before {
                let before = json!({ "endsAt": before.ends_at });
                let state = json!({ "subscription": id, "endsAt": after.ends_at });
                let change = (Some(before), state);
                note(&mut tx, "subscription.cancelled", holder, change, now).await?;
            }
            Ok(after)
        })
        .await
    }

    async fn holdings(&self, user: UserId, now: Timestamp) -> Result<Vec<Holding>, StoreError> {
        self.read(|mut tx| async move {
            let rows = sqlx::query(HOLDINGS)
                .bind(user.to_string())
                .bind(now.as_millis())
                .fetch_all(&mut *tx)
                .await
                .db()?;
            rows.iter().map(holding_of).collect()
        })
        .await
    }
}
