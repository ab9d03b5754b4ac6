//! Accounts.

use async_trait::async_trait;

use super::{Created, IdempotencyKey, StoreError};
use crate::domain::{
    Email, Page, PageRequest, PersonName, Role, SessionId, Timestamp, User, UserId, UserStatus,
};

/// Stands for the hash of an account that no password opens: only a token that was mailed to its
/// address gives it one.
pub const NO_PASSWORD: &str = "!";

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its address.
    pub email: Email,
    /// Whether the address needs no verification (any more).
    pub email_verified: bool,
    /// What the user is called.
    pub name: PersonName,
    /// What the user may do.
    pub role: Role,
    /// An argon2id hash in PHC form.
    pub password_hash: String,
    /// Now.
    pub now: Timestamp,
}

/// What a login is checked against.
#[derive(Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// An argon2id hash in PHC form, or [`NO_PASSWORD`].
    pub password_hash: String,
}

/// Which accounts a list shows; everything that is set has to match.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Text that the address contains, without regard to case.
    pub email: Option<String>,
    /// Text that the name contains, without regard to case.
    pub name: Option<String>,
    /// The role.
    pub role: Option<Role>,
    /// The status.
    pub status: Option<UserStatus>,
}

/// A user's change of their own profile.
#[derive(Debug, Clone)]
pub struct ProfileChange {
    /// The new name.
    pub name: PersonName,
    /// The new address.
    pub email: Email,
    /// Whether another address has to be verified before it becomes the account's.
    pub verified_first: bool,
}

/// An admin's change of an account's standing.
#[derive(Debug, Clone, Default)]
pub struct StandingChange {
    /// The new role, if it is to change.
    pub role: Option<Role>,
    /// The new status, if it is to change.
    pub status: Option<UserStatus>,
}

/// A user's change of their own password.
#[derive(Clone)]
pub struct PasswordChange {
    /// The hash that the password before was checked against.
    pub checked_hash: String,
    /// The new one's: an argon2id hash in PHC form.
    pub new_hash: String,
    /// The session that goes on; all others end.
    pub keep: SessionId,
}

/// Why an account was not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccountError {
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// Another account has the address.
    #[error("another account has this address")]
    EmailTaken,
    /// It is the last active admin, and would not be one any more.
    #[error("this is the last active admin")]
    LastAdmin,
    /// The password has been changed since it was checked.
    #[error("the password has been changed meanwhile")]
    PasswordChanged,
    /// The idempotency key was used with other parameters.
    #[error("the idempotency key was used with other parameters")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store of accounts.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account.
    ///
    /// # Errors
    /// `EmailTaken`, `KeyReused`, `Store`.
    async fn create(
        &self,
        account: NewAccount,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<User>, AccountError>;

    /// Makes an account whose address has to be verified, or none where the address has one: in
    /// every case a mail says to the address what there is to do, and the answer is the same.
    ///
    /// Of several who register an address that was never verified nobody has shown that it is
    /// theirs: from the second on its account has [`NO_PASSWORD`], no session, no token, and the
    /// name that was given last, and a mailed token sets its password.
    ///
    /// # Errors
    /// `KeyReused`, `Store`.
    async fn register(
        &self,
        account: NewAccount,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<()>, AccountError>;

    /// Makes an account if no admin exists; `None` when one does.
    ///
    /// # Errors
    /// `EmailTaken` (by an account that is no admin), `Store`.
    async fn create_first_admin(&self, account: NewAccount) -> Result<Option<User>, AccountError>;

    /// Whether any account has the admin's role.
    async fn has_admin(&self) -> Result<bool, StoreError>;

    /// One account.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// An account with its password hash.
    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError>;

    /// Stores another hash of the same password, unless the one that it was made beside has been
    /// replaced meanwhile; whether it did.
    async fn rehash(&self, id: UserId, old_hash: &str, new_hash: &str) -> Result<bool, StoreError>;

    /// A page of accounts in order of id, which is the order of their making.
    async fn users(&self, filter: &UserFilter, page: PageRequest)
    -> Result<Page<User>, StoreError>;

    /// Changes a profile. Where another address has to be verified first, it is the account's
    /// `pending_email` until then, and is written to, as is the address that the account has, where
    /// that is verified; the address that the account has drops that. Else the address before is
    /// told of the change.
    ///
    /// # Errors
    /// `NotFound`, `EmailTaken`, `Store`.
    async fn change_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<User, AccountError>;

    /// Changes a password, ends the user's other sessions, drops tokens that were mailed and an
    /// address that the account waits for, and queues a mail that says so.
    ///
    /// # Errors
    /// `NotFound`, `PasswordChanged`, `Store`.
    async fn change_password(
        &self,
        id: UserId,
        change: PasswordChange,
        now: Timestamp,
    ) -> Result<(), AccountError>;

    /// Changes role or status. Disabling ends every session of the account.
    ///
    /// # Errors
    /// `NotFound`, `LastAdmin`, `Store`.
    async fn change_standing(
        &self,
        id: UserId,
        change: StandingChange,
        now: Timestamp,
    ) -> Result<User, AccountError>;

    /// Deletes an account with its subscriptions, marks, plays, idempotency keys and events;
    /// in the same transaction writes the user's last event, `erased`, into the outbox.
    /// Packages that the user made stay, without their maker.
    ///
    /// # Errors
    /// `NotFound`, `LastAdmin`, `Store`.
    async fn delete(&self, id: UserId, now: Timestamp) -> Result<(), AccountError>;
}
