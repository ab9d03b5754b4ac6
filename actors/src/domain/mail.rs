//! Mails to the users of accounts.

use std::{fmt, str::FromStr, time::Duration};

use data_encoding::BASE64URL_NOPAD;

use super::{Email, Invalid, PersonName};

/// A secret that goes out by mail and is good for one use: 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct MailToken([u8; 32]);

impl MailToken {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// The bits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that goes into the mail: 43 letters, digits, `-` and `_`.
    #[must_use]
    pub fn expose(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }
}

/// Without the token, which is a secret.
impl fmt::Debug for MailToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailToken(***)")
    }
}

impl FromStr for MailToken {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bits = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        bits.and_then(|bits| bits.try_into().ok()).map(Self).ok_or_else(|| {
            Invalid::new(
                "not_a_token",
                "must be the 43 letters, digits, `-` and `_` that came by mail",
            )
        })
    }
}

/// A token, and for how long it counts from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailedToken {
    /// The token.
    pub token: MailToken,
    /// For how long it counts.
    pub counts_for: Duration,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// How to set a new password.
    Recovery(MailedToken),
    /// How to verify the address.
    Verification(MailedToken),
    /// Somebody wanted the address for an account; it has one.
    AlreadyRegistered,
    /// The password has been changed.
    PasswordChanged,
    /// The user wants another address, which is not verified yet.
    EmailWanted,
    /// The account has another address now.
    EmailChanged,
    /// A refresh token came twice: its session was ended.
    SessionRevoked,
}

/// A mail, with all that its text is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Whom it goes to.
    pub to: Email,
    /// What the user of the account is called, where the address is known to be the user's: a
    /// stranger is sent nothing that somebody typed in.
    pub name: Option<PersonName>,
    /// What it says.
    pub letter: Letter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went_out() {
        let token = MailToken::generate();
        assert_eq!(token.expose().len(), 43);
        assert_eq!(token.expose().parse(), Ok(token.clone()));
        assert_ne!(token, MailToken::generate());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let text = MailToken::generate().expose();
        for wrong in ["", "x", &text[1..], &format!("{text}A"), &format!("{text}="), " "] {
            assert_eq!(wrong.parse::<MailToken>().unwrap_err().code, "not_a_token", "{wrong}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = MailToken::generate();
        let mailed = MailedToken { token: token.clone(), counts_for: Duration::from_secs(1) };
        assert!(!format!("{mailed:?}").contains(&token.expose()));
    }
}
