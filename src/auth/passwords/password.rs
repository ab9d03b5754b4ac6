//! Which passwords an account may have.

use std::{collections::HashSet, fmt, str::FromStr, sync::LazyLock};

use watchme_actors::domain::{Email, Invalid, PersonName};
use zeroize::Zeroizing;

/// The most common passwords, in lower case.
static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("../../../assets/passwords/common.txt").lines().collect());
/// What comes to mind first to whoever guesses at this service.
const OF_THE_SERVICE: &[&str] = &["watchme", "watchmeadmin", "administrator", "themoviedb"];

/// A password that an account may have: 8 to 128 Unicode characters, none of the most common ones,
/// used as it is, without any normalisation. Its memory is wiped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Fewest characters.
    pub const MIN: usize = 8;
    /// Most characters.
    pub const MAX: usize = 128;

    /// A password that somebody chooses for the account with this address and name.
    ///
    /// # Errors
    /// `too_short`, `too_long`; `too_common` for one of those that are tried first; `personal` when
    /// it is the address, what stands before its `@`, or the name, whatever its case and whatever
    /// digits and signs come with it.
    pub fn for_account(text: &str, email: &Email, name: &PersonName) -> Result<Self, Invalid> {
        let password: Self = text.parse()?;
        let local = email.as_str().split('@').next().unwrap_or_default();
        let core = core(text);
        let known = [email.as_str(), local, name.as_str()];
        if !core.is_empty() && known.iter().any(|word| self::core(word) == core) {
            let accepts = "must not be the e-mail address or the name of the account";
            return Err(Invalid::new("personal", accepts));
        }
        Ok(password)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Password {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let length = text.chars().count();
        if length < Self::MIN {
            let least = format!("must have at least {} characters", Self::MIN);
            return Err(Invalid::new("too_short", least));
        }
        if length > Self::MAX {
            let most = format!("must have at most {} characters", Self::MAX);
            return Err(Invalid::new("too_long", most));
        }
        if is_common(text) {
            let accepts = "must not be one of the passwords that are tried first";
            return Err(Invalid::new("too_common", accepts));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

fn is_common(text: &str) -> bool {
    let folded = Zeroizing::new(text.to_lowercase());
    // `Password1!` is no better than `password1`.
    let bare = folded.trim_matches(|letter: char| !letter.is_alphanumeric());
    let core = core(text);
    COMMON.contains(folded.as_str())
        || COMMON.contains(bare)
        || OF_THE_SERVICE.contains(&core.as_str())
}

/// What is left of a text without case, signs, and the digits at its ends.
fn core(text: &str) -> Zeroizing<String> {
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    let folded: Zeroizing<String> = Zeroizing::new(letters.flat_map(char::to_lowercase).collect());
    Zeroizing::new(folded.trim_matches(char::is_numeric).to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<&'static str> {
        text.parse::<Password>().err().map(|refusal| refusal.code)
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(code("ééééééé"), Some("too_short"), "7 characters in 14 bytes");
        assert_eq!(code("éééééééé"), None);
        assert_eq!(code(&"🦀".repeat(128)), None);
        assert_eq!(code(&"🦀".repeat(129)), Some("too_long"));
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        let fitting = COMMON.iter().filter(|text| text.chars().count() >= Password::MIN).count();
        assert!(fitting >= 3_000 && fitting == COMMON.len(), "{fitting}");
        assert!(COMMON.iter().all(|text| code(text) == Some("too_common")));
        for common in ["PassWord", "iloveyou!!", "(trustno1)", "WatchMe 2026!", "administrator"] {
            assert_eq!(code(common), Some("too_common"), "{common}");
        }
        for rare in
            ["correct horse battery", "1password of mine", "        ", "01189998819991197253"]
        {
            assert_eq!(code(rare), None, "{rare}");
        }
    }

    #[test]
    fn what_everybody_knows_of_an_account_is_refused() {
        let code = |text: &str, name: &str| {
            let email = "ada.lovelace@example.com".parse().unwrap();
            let name = name.parse().unwrap();
            Password::for_account(text, &email, &name).err().map(|refusal| refusal.code)
        };
        for personal in
            ["Ada.Lovelace@Example.com", "adalovelace", "Lovelace, Ada!", "ada-lovelace1815"]
        {
            assert_eq!(code(personal, "Lovelace Ada"), Some("personal"), "{personal}");
        }
        for other in ["ada loves lace", "lovelace", "1815-12-10", "🦀🦀🦀🦀🦀🦀🦀🦀"]
        {
            assert_eq!(code(other, "🦀"), None, "{other}");
        }
        assert_eq!(code("password", "Ada"), Some("too_common"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let password: Password = "correct horse".parse().unwrap();
        assert_eq!(format!("{password:?}"), "Password(***)");
    }
}
