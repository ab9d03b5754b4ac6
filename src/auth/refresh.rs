//! Refresh tokens: opaque texts that name a session and prove that their holder is in it.
//!
//! A token is the session's id, a secret and a tag over both under a key of ours, in URL-safe
//! base64. The store knows a hash of the secret only. The tag tells a token of ours from a guess, which
//! is to end no session, and from one that was made before the signing secret was changed twice, or
//! once without a previous one: that is how an operator ends all sessions.

use std::fmt;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use watchme_actors::domain::SessionId;
use zeroize::Zeroizing;

use super::keys::{Keys, Purpose, Subkey};

const SECRET: usize = 32;
const TAG: usize = 16;
const NONCE: usize = 12;
/// Session, secret and tag.
const BYTES: usize = 16 + SECRET + TAG;

/// Makes refresh tokens, and recognises its own.
pub struct RefreshTokens {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

/// A refresh token, as it was made or as a client presented it.
pub struct RefreshToken {
    bytes: Zeroizing<[u8; BYTES]>,
}

impl RefreshTokens {
    /// Letters of a token.
    pub const LENGTH: usize = 86;

    /// Tokens tagged under a key that is derived from the secrets.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        let keys = keys.derive(Purpose::RefreshTokens);
        Self { current: keys.current.mac(), previous: keys.previous.map(|key| key.mac()) }
    }

    /// A new token of a session.
    #[must_use]
    pub fn make(&self, session: SessionId) -> RefreshToken {
        let mut bytes = Zeroizing::new([0; BYTES]);
        let (said, tag) = bytes.split_at_mut(BYTES - TAG);
        said[..16].copy_from_slice(session.as_uuid().as_bytes());
        rand::fill(&mut said[16..]);
        tag.copy_from_slice(
            &self.current.clone().chain_update(said).finalize().into_bytes()[..TAG],
        );
        RefreshToken { bytes }
    }

    /// What a client presents; `None` when it was not made with a secret of today or the one before.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<RefreshToken> {
        if text.len() != Self::LENGTH {
            return None;
        }
        let decoded = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
        let bytes = Zeroizing::new(<[u8; BYTES]>::try_from(decoded.as_slice()).ok()?);
        let (said, tag) = bytes.split_at(BYTES - TAG);
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .any(|mac| mac.clone().chain_update(said).verify_truncated_left(tag).is_ok())
            .then_some(RefreshToken { bytes })
    }
}

impl RefreshToken {
    /// The session that it names.
    #[must_use]
    pub fn session(&self) -> SessionId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.bytes[..16]);
        Uuid::from_bytes(id).into()
    }

    /// What the store knows it by: SHA-256 of its secret, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.secret()))
    }

    /// What the client is given.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64URL_NOPAD.encode(&*self.bytes)
    }

    /// Another token in a form that only a holder of this one can open.
    #[must_use]
    pub fn seal(&self, child: &Self) -> String {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: &*child.bytes, aad: &self.bytes[..16] };
        let Ok(sealed) = self.cipher().encrypt(&nonce.into(), payload) else {
            unreachable!("ChaCha20-Poly1305 seals up to 256 GiB")
        };
        BASE64URL_NOPAD.encode(&[nonce.as_slice(), &sealed].concat())
    }

    /// The token that was sealed for the holder of this one; `None` when it was for another.
    #[must_use]
    pub fn open(&self, sealed: &str) -> Option<Self> {
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &self.bytes[..16] };
        let opened = Zeroizing::new(self.cipher().decrypt(&(*nonce).into(), payload).ok()?);
        let bytes = Zeroizing::new(<[u8; BYTES]>::try_from(opened.as_slice()).ok()?);
        Some(Self { bytes })
    }

    fn secret(&self) -> &[u8] {
        &self.bytes[16..16 + SECRET]
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        let key = Subkey::derive(self.secret(), b"watchme sealed refresh token");
        ChaCha20Poly1305::new(key.as_bytes().into())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").field("session", &self.session()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn tokens(current: &str, previous: Option<&str>) -> RefreshTokens {
        let previous = previous.map(Secret::new);
        RefreshTokens::new(&Keys { current: Secret::new(current), previous })
    }

    #[test]
    fn a_token_names_its_session_and_is_known_again() {
        let tokens = tokens("one", None);
        let session = SessionId::generate();
        let made = tokens.make(session);
        let text = made.text();
        assert_eq!(text.len(), RefreshTokens::LENGTH);
        let read = tokens.read(&text).unwrap();
        assert_eq!((read.session(), read.hash()), (session, made.hash()));
        assert_ne!(tokens.make(session).hash(), made.hash());
        assert!(!format!("{made:?}").contains(&text[22..40]));
    }

    #[test]
    fn only_a_key_of_today_or_the_one_before_makes_tokens() {
        let made = tokens("one", None).make(SessionId::generate());
        let old = made.text();
        assert_eq!(tokens("two", Some("one")).read(&old).unwrap().hash(), made.hash());
        assert!(tokens("two", None).read(&old).is_none());
        assert!(tokens("three", Some("two")).read(&old).is_none());
        for place in [0, 20, 40, 84] {
            let mut letters = old.clone().into_bytes();
            letters[place] = if letters[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(letters).unwrap();
            assert!(tokens("one", None).read(&changed).is_none(), "letter {place}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let tokens = tokens("one", None);
        let text = tokens.make(SessionId::generate()).text();
        for wrong in ["", "a.b.c", &text[1..], &format!("{text}A"), &format!("={}", &text[1..])] {
            assert!(tokens.read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_sealed_child_is_opened_by_its_parent_alone() {
        let tokens = tokens("one", None);
        let session = SessionId::generate();
        let (parent, child) = (tokens.make(session), tokens.make(session));
        let sealed = parent.seal(&child);
        assert!(sealed.len() <= 300, "it fits its column");
        assert!(!sealed.contains(&child.text()[22..40]));
        assert_eq!(parent.open(&sealed).unwrap().text(), child.text());
        assert!(child.open(&sealed).is_none());
        assert!(tokens.make(session).open(&sealed).is_none());
        assert!(parent.open("").is_none());
    }
}
