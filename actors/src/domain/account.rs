//! Accounts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Invalid, Timestamp, UserId, bounded_line};

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its identifier.
    pub id: UserId,
    /// Unique among accounts, compared without regard to case.
    pub email: Email,
    /// Whether somebody who reads mail at the address has said so. True wherever nobody is asked.
    #[serde(default = "yes")]
    pub email_verified: bool,
    /// The address that the user wants to have, until it is verified.
    #[serde(default)]
    pub pending_email: Option<Email>,
    /// What the user is called.
    pub name: PersonName,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may sign in.
    pub status: UserStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its data last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether a verification of this address changes anything for the account.
    #[must_use]
    pub fn waits_for(&self, address: &Email) -> bool {
        let own = self.email == *address && !self.email_verified;
        own || self.pending_email.as_ref() == Some(address)
    }
}

/// Answers that were stored before there was anything to verify.
fn yes() -> bool {
    true
}

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// The word on the wire and in the store.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(Invalid::new(
                        "unknown_word",
                        concat!("must be one of:" $(, " `", $word, "`")*),
                    )),
                }
            }
        }
    };
}

word_enum! {
    /// What an account may do.
    Role {
        /// Uses the catalogue.
        User = "user",
        /// The operator.
        Admin = "admin",
    }
}

word_enum! {
    /// Whether an account may be used.
    UserStatus {
        /// It may.
        Active = "active",
        /// An admin has locked it.
        Disabled = "disabled",
    }
}

/// An e-mail address, in lower case, at most 254 characters.
///
/// Checked for the form that mail servers agree on (RFC 5321 without quoted local parts or
/// address literals); whether it exists, only a mail can tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The address, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let text = bounded_line(raw, 254)?.to_ascii_lowercase();
        let local_ok = |local: &str| {
            (1..=64).contains(&local.len())
                && local.split('.').all(|atom| {
                    !atom.is_empty()
                        && atom.bytes().all(|b| {
                            b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b)
                        })
                })
        };
        let domain_ok = |domain: &str| {
            domain.contains('.')
                && domain.split('.').all(|label| {
                    (1..=63).contains(&label.len())
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        };
        match text.rsplit_once('@') {
            Some((local, domain)) if local_ok(local) && domain_ok(domain) => Ok(Self(text)),
            _ => Err(Invalid::new(
                "not_an_email",
                "must be an e-mail address such as ada@example.com",
            )),
        }
    }
}

/// What a user is called: one line of 1 to 100 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

impl PersonName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonName {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        bounded_line(raw, 100).map(Self)
    }
}

macro_rules! string_conversions {
    ($($name:ty),*) => {$(
        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(super) use string_conversions;

string_conversions!(Email, PersonName);
