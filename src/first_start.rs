//! What a first start makes: the first admin, and packages to try the demo catalogue with.

use std::path::PathBuf;

use watchme_actors::{
    domain::{Email, GenreSet, Invalid, PackageName, PageRequest, Role, Timestamp},
    ports::{
        AccountError, Accounts, ArchivedFilter, NewAccount, NewPackage, PackageError,
        PackageFilter, Packages, StoreError,
    },
};

use crate::{
    auth::{Password, PasswordError, Passwords},
    config::{Config, Secret},
    data_dir::{DataDir, DataDirError, random_password},
};

/// The admin's address when nobody has set one.
const ADMIN_EMAIL: &str = "admin@watchme.example";

/// The first admin could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// A setting is wrong.
    #[error("{variable} {reason}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What it accepts.
        reason: Invalid,
    },
    /// There is no admin, and no data folder to write a password to.
    #[error(
        "there is no admin yet: set WATCHME_ADMIN_EMAIL and WATCHME_ADMIN_PASSWORD to make the first one"
    )]
    NoAdmin,
    /// The password could not be hashed.
    #[error("the admin's password: {0}")]
    Password(#[from] PasswordError),
    /// The account could not be made.
    #[error("the first admin: {0}; WATCHME_ADMIN_EMAIL names the address")]
    Account(#[from] AccountError),
    /// The demo packages could not be made.
    #[error("the demo packages: {0}")]
    Package(#[from] PackageError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password file could not be written.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

/// The admin that a start has made.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    /// The address to sign in with.
    pub email: Email,
    /// Where the password is, when it was made here.
    pub password_file: Option<PathBuf>,
}

/// Makes an admin if there is none.
///
/// # Errors
/// Every [`FirstStartError`].
pub async fn admin(
    accounts: &dyn Accounts,
    passwords: &Passwords,
    config: &Config,
    data: Option<&DataDir>,
) -> Result<Option<FirstAdmin>, FirstStartError> {
    if accounts.has_admin().await? {
        return Ok(None);
    }
    let email = match &config.admin_email {
        Some(email) => email.clone(),
        None => setting("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL.parse())?,
    };
    let (text, password_file) = match &config.admin_password {
        Some(password) => (password.clone(), None),
        None => {
            let Some(data) = data else { return Err(FirstStartError::NoAdmin) };
            let text = Secret::new(random_password());
            // The file first: an account whose password nobody knows would be worse than a
            // password without an account.
            let file = data.write_private("admin-password", text.expose())?;
            (text, Some(file))
        }
    };
    let name = setting("WATCHME_ADMIN_EMAIL", "Administrator".parse())?;
    let password =
        setting("WATCHME_ADMIN_PASSWORD", Password::for_account(text.expose(), &email, &name))?;
    let account = NewAccount {
        email: email.clone(),
        email_verified: true,
        name,
        role: Role::Admin,
        password_hash: passwords.hash(&password).await?,
        now: Timestamp::now(),
    };
    let made = match accounts.create_first_admin(account).await {
        // Another replica starts for the first time at the same moment.
        Err(AccountError::EmailTaken) if accounts.has_admin().await? => None,
        outcome => outcome?,
    };
    Ok(made.map(|_| FirstAdmin { email, password_file }))
}

fn setting<T>(variable: &'static str, parsed: Result<T, Invalid>) -> Result<T, FirstStartError> {
    parsed.map_err(|reason| FirstStartError::Setting { variable, reason })
}

/// Makes the packages that a first start makes, those that are missing if it was cut short. Nothing
/// where an admin has made, renamed or archived any.
///
/// # Errors
/// `Package`, `Store`.
pub async fn packages(
    store: &dyn Packages,
    packages: Vec<(PackageName, GenreSet)>,
) -> Result<(), FirstStartError> {
    let page = PageRequest::default();
    let archived = PackageFilter { archived: ArchivedFilter::Only, ..PackageFilter::default() };
    if store.packages(&archived, page).await?.total_items > 0 {
        return Ok(());
    }
    let live = store.packages(&PackageFilter::default(), page).await?.items;
    let ours = |name: &PackageName| packages.iter().any(|(other, _)| other == name);
    if !live.iter().all(|package| package.version == 1 && ours(&package.name)) {
        return Ok(());
    }
    for (name, genres) in packages {
        if live.iter().all(|package| package.name != name) {
            let package = NewPackage { name, genres, created_by: None, now: Timestamp::now() };
            match store.create(package, None).await {
                // Another replica starts for the first time at the same moment.
                Ok(_) | Err(PackageError::NameTaken) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
