//! The port of accounts.

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{Any, AnyConnection, QueryBuilder, any::AnyRow};
use watchme_actors::{
    domain::{Email, Page, PageRequest, Role, Timestamp, User, UserId, UserStatus},
    ports::{
        AccountError, Accounts, Created, Credentials, IdempotencyKey, NewAccount, PasswordChange,
        ProfileChange, StandingChange, StoreError, UserFilter,
    },
};

use super::{
    SqlStore, audit,
    dialect::{Dialect, for_update},
    erasure,
    errors::{Db, is_taken, store_error},
    idempotency::{self, Claim},
    passwords, profile, registration,
    rows::{contains, get, number, optional, parsed, time},
    sessions,
};

pub(super) const BY_ID: &str = "SELECT id, email, email_verified, pending_email, name, role, status, created_at, updated_at FROM users WHERE id = ?";
pub(super) const BY_EMAIL: &str =
    "SELECT id, email, email_verified, pending_email, name, role, status, created_at, updated_at,
    password_hash FROM users WHERE email = ?";

/// Only where the hash is still the one that another was made beside. Binds: hash, identifier, hash.
pub(super) const REHASH: &str =
    "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?";

pub(super) const ANY_ADMIN: &str = "SELECT id FROM users WHERE role = 'admin' LIMIT 1";

pub(super) fn user_of(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        id: parsed(row, "id")?,
        email: parsed(row, "email")?,
        email_verified: get::<i32>(row, "email_verified")? != 0,
        pending_email: optional(row, "pending_email")?,
        name: parsed(row, "name")?,
        role: parsed(row, "role")?,
        status: parsed(row, "status")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn email_taken(error: sqlx::Error) -> AccountError {
    if is_taken(&error) {
        AccountError::EmailTaken
    } else {
        AccountError::Store(store_error(&error))
    }
}

pub(super) async fn insert(
    conn: &mut AnyConnection,
    account: &NewAccount,
) -> Result<User, AccountError> {
    let user = User {
        id: UserId::generate(),
        email: account.email.clone(),
        email_verified: account.email_verified,
        pending_email: None,
        name: account.name.clone(),
        role: account.role,
        status: UserStatus::Active,
        created_at: account.now,
        updated_at: account.now,
    };
    sqlx::query(
        "INSERT INTO users
            (id, email, email_verified, name, name_key, role, status, password_hash, created_at,
             updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user.id.to_string())
    .bind(user.email.as_str())
    .bind(i32::from(user.email_verified))
    .bind(user.name.as_str())
    .bind(user.name.as_str().to_lowercase())
    .bind(user.role.as_str())
    .bind(user.status.as_str())
    .bind(account.password_hash.as_str())
    .bind(user.created_at.as_millis())
    .bind(user.updated_at.as_millis())
    .execute(conn)
    .await
    .map_err(email_taken)?;
    Ok(user)
}

pub(super) async fn by_id(
    conn: &mut AnyConnection,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(conn).await.db()?;
    row.as_ref().map(user_of).transpose()
}

pub(super) async fn by_email(
    conn: &mut AnyConnection,
    email: &Email,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(BY_EMAIL).bind(email.as_str()).fetch_optional(conn).await.db()?;
    row.as_ref().map(user_of).transpose()
}

/// Notes a change of an account.
pub(super) async fn note(
    conn: &mut AnyConnection,
    action: &'static str,
    user: UserId,
    (before, after): (Option<Value>, Option<Value>),
    now: Timestamp,
) -> Result<(), StoreError> {
    let subject_id = &user.to_string();
    let entry = audit::Entry { action, subject_kind: "user", subject_id, before, after };
    audit::record(conn, entry, now).await
}

pub(super) async fn made(conn: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    let after = json!({ "email": user.email, "name": user.name, "role": user.role });
    note(conn, "account.created", user.id, (None, Some(after)), user.created_at).await
}

/// Binds: identifier.
pub(super) fn lock_sql(dialect: Dialect) -> &'static str {
    for_update!(
        dialect,
        "SELECT id, email, email_verified, pending_email, name, role, status, created_at, updated_at FROM users WHERE id = ?"
    )
}

pub(super) fn lock_admins_sql(dialect: Dialect) -> &'static str {
    for_update!(
        dialect,
        "SELECT id FROM users WHERE role = 'admin' AND status = 'active' ORDER BY id"
    )
}

/// Reads an account and locks its row until the transaction ends.
pub(super) async fn lock_user(
    conn: &mut AnyConnection,
    dialect: Dialect,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row =
        sqlx::query(lock_sql(dialect)).bind(id.to_string()).fetch_optional(conn).await.db()?;
    row.as_ref().map(user_of).transpose()
}

/// Refuses to take the last active admin away. Locks every active admin, so that two of them
/// cannot go at once.
pub(super) async fn keep_an_admin(
    conn: &mut AnyConnection,
    dialect: Dialect,
    leaving: &User,
) -> Result<(), AccountError> {
    if (leaving.role, leaving.status) != (Role::Admin, UserStatus::Active) {
        return Ok(());
    }
    let admins: Vec<String> =
        sqlx::query_scalar(lock_admins_sql(dialect)).fetch_all(conn).await.db()?;
    let id = leaving.id.to_string();
    if admins.iter().any(|admin| *admin != id) { Ok(()) } else { Err(AccountError::LastAdmin) }
}

async fn any_admin(conn: &mut AnyConnection) -> Result<bool, StoreError> {
    let row = sqlx::query(ANY_ADMIN).fetch_optional(conn).await.db()?;
    Ok(row.is_some())
}

fn push_filter(query: &mut QueryBuilder<Any>, filter: &UserFilter) {
    query.push(" WHERE 1 = 1");
    if let Some(email) = &filter.email {
        query.push(" AND email LIKE ").push_bind(contains(email)).push(" ESCAPE '!'");
    }
    if let Some(name) = &filter.name {
        query.push(" AND name_key LIKE ").push_bind(contains(name)).push(" ESCAPE '!'");
    }
    if let Some(role) = filter.role {
        query.push(" AND role = ").push_bind(role.as_str());
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
}

/// The statement that counts accounts.
pub(super) fn count_query(filter: &UserFilter) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new("SELECT COUNT(*) AS total FROM users");
    push_filter(&mut query, filter);
    query
}

/// The statement of one page of accounts, and whether it gives them in reverse: of a list whose
/// length is known a page is read from the end that is nearer, so that the last one costs no more
/// than the first.
pub(super) fn page_query(
    filter: &UserFilter,
    page: PageRequest,
    total: u64,
) -> (QueryBuilder<Any>, bool) {
    let behind = total.saturating_sub(page.offset());
    let size = behind.min(page.size().into());
    let reverse = page.offset() > behind - size;
    let (order, skip) = if reverse {
        (" ORDER BY id DESC", behind - size)
    } else {
        (" ORDER BY id", page.offset())
    };
    let mut query = QueryBuilder::new(
        "SELECT id, email, email_verified, pending_email, name, role, status, created_at, updated_at FROM users",
    );
    push_filter(&mut query, filter);
    query.push(order).push(" LIMIT ").push_bind(i64::try_from(size).unwrap_or(i64::MAX));
    query.push(" OFFSET ").push_bind(i64::try_from(skip).unwrap_or(i64::MAX));
    (query, reverse)
}

#[async_trait]
impl Accounts for SqlStore {
    async fn create(
        &self,
        account: NewAccount,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<User>, AccountError> {
        let account = &account;
        self.write(|mut tx| async move {
            let claim = idempotency::claim(&mut tx, idempotency, account.now).await?;
            if let Claim::Repeated(user) = claim {
                return Ok(Created::Before(user));
            }
            let user = insert(&mut tx, account).await?;
            made(&mut tx, &user).await?;
            idempotency::answer(&mut tx, idempotency, Some(user.id), &user).await?;
            Ok(Created::Now(user))
        })
        .await
    }

    async fn register(
        &self,
        account: NewAccount,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<()>, AccountError> {
        let account = &account;
        self.write(|tx| registration::register(tx, account, idempotency)).await
    }

    async fn create_first_admin(&self, account: NewAccount) -> Result<Option<User>, AccountError> {
        let account = &account;
        self.write(|mut tx| async move {
            if any_admin(&mut tx).await? {
                return Ok(None);
            }
            let user = insert(&mut tx, account).await?;
            made(&mut tx, &user).await?;
            Ok(Some(user))
        })
        .await
    }

    async fn has_admin(&self) -> Result<bool, StoreError> {
        self.read(|mut tx| async move { any_admin(&mut tx).await }).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(|mut tx| async move { by_id(&mut tx, id).await }).await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        self.read(|mut tx| async move {
            let row =
                sqlx::query(BY_EMAIL).bind(email.as_str()).fetch_optional(&mut *tx).await.db()?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(Credentials {
                user: user_of(&row)?,
                password_hash: get(&row, "password_hash")?,
            }))
        })
        .await
    }

    async fn rehash(&self, id: UserId, old_hash: &str, new_hash: &str) -> Result<bool, StoreError> {
        self.write(|mut tx| async move {
            let changed = sqlx::query(REHASH)
                .bind(new_hash)
                .bind(id.to_string())
                .bind(old_hash)
                .execute(&mut *tx)
                .await
                .db()?;
            Ok(changed.rows_affected() == 1)
        })
        .await
    }

    async fn users(
        &self,
        filter: &UserFilter,
        page: PageRequest,
    ) -> Result<Page<User>, StoreError> {
        self.snapshot(|mut tx| async move {
            let count = count_query(filter).build().fetch_one(&mut *tx).await.db()?;
            let total_items = number(&count, "total")?;
            let (mut list, reverse) = page_query(filter, page, total_items);
            let mut rows = list.build().fetch_all(&mut *tx).await.db()?;
            if reverse {
                rows.reverse();
            }
            Ok(Page {
                items: rows.iter().map(user_of).collect::<Result<_, _>>()?,
                total_items,
                request: page,
            })
        })
        .await
    }

    async fn change_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        let change = &change;
        self.write(|tx| profile::change(tx, self.dialect, id, change, now)).await
    }

    async fn change_password(
        &self,
        id: UserId,
        change: PasswordChange,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let change = &change;
        self.write(|mut tx| async move {
            passwords::change(&mut tx, self.dialect, id, change, now).await
        })
        .await
    }

    async fn change_standing(
        &self,
        id: UserId,
        change: StandingChange,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        self.write(|mut tx| async move {
            let user = lock_user(&mut tx, self.dialect, id).await?.ok_or(AccountError::NotFound)?;
            let role = change.role.unwrap_or(user.role);
            let status = change.status.unwrap_or(user.status);
            if (role, status) == (user.role, user.status) {
                return Ok(user);
            }
            if (role, status) != (Role::Admin, UserStatus::Active) {
                keep_an_admin(&mut tx, self.dialect, &user).await?;
            }
            sqlx::query("UPDATE users SET role = ?, status = ?, updated_at = ? WHERE id = ?")
                .bind(role.as_str())
                .bind(status.as_str())
                .bind(now.as_millis())
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .db()?;
            // An entry for each: who looks for roles that were given finds them all.
            let disabled = status == UserStatus::Disabled;
            if status != user.status {
                let action = if disabled { "account.disabled" } else { "account.enabled" };
                let change = [user.status, status].map(|it| Some(json!({ "status": it })));
                note(&mut tx, action, id, change.into(), now).await?;
            }
            if role != user.role {
                let change = [user.role, role].map(|it| Some(json!({ "role": it })));
                note(&mut tx, "account.role_changed", id, change.into(), now).await?;
            }
            if disabled {
                sessions::end_all(&mut tx, id, None).await?;
            }
            Ok(User { role, status, updated_at: now, ..user })
        })
        .await
    }

    async fn delete(&self, id: UserId, now: Timestamp) -> Result<(), AccountError> {
        erasure::delete(self, id, now).await
    }
}
