//! The keys of everything that is signed or digested, all derived from one secret.

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Secret;

/// The secrets that every key is derived from.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs and verifies.
    pub current: Secret,
    /// Verifies only, so that the secret can be changed without signing everybody out.
    pub previous: Option<Secret>,
}

/// What a key is for. A key for one purpose says nothing about one for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To sign access tokens.
    AccessTokens,
    /// To tag refresh tokens as ours.
    RefreshTokens,
    /// To digest requests that carry an `Idempotency-Key`.
    Idempotency,
    /// To digest whom a throttle counts.
    Throttles,
}

impl Purpose {
    fn info(self) -> &'static [u8] {
        match self {
            Self::AccessTokens => b"watchme access token",
            Self::RefreshTokens => b"watchme refresh token",
            Self::Idempotency => b"watchme idempotency",
            Self::Throttles => b"watchme throttle",
        }
    }
}

/// A key for one purpose; wiped from memory when it is dropped.
pub struct Subkey(Zeroizing<[u8; 32]>);

impl Subkey {
    /// A key out of a secret, for what `info` says.
    pub(super) fn derive(secret: &[u8], info: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        match Hkdf::<Sha256>::new(None, secret).expand(info, &mut *key) {
            Ok(()) => Self(key),
            Err(_) => unreachable!("HKDF-SHA256 gives up to 8160 bytes"),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 under this key, of nothing yet.
    #[must_use]
    pub fn mac(&self) -> Hmac<Sha256> {
        // A key that is shorter than a block of the hash is filled up with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block[..self.0.len()].copy_from_slice(&*self.0);
        Hmac::new((&*block).into())
    }

    /// Names the key without giving it away: the first 8 bytes of a hash, in hexadecimal.
    pub(super) fn fingerprint(&self) -> String {
        let digest = Sha256::new().chain_update(b"watchme key id").chain_update(*self.0).finalize();
        HEXLOWER.encode(&digest[..8])
    }
}

/// The keys for one purpose.
pub struct Subkeys {
    /// Signs and verifies.
    pub current: Subkey,
    /// Verifies only.
    pub previous: Option<Subkey>,
}

impl Keys {
    /// The keys for a purpose, by HKDF-SHA256 (RFC 5869).
    #[must_use]
    pub fn derive(&self, purpose: Purpose) -> Subkeys {
        let subkey = |secret: &Secret| Subkey::derive(secret.expose().as_bytes(), purpose.info());
        Subkeys { current: subkey(&self.current), previous: self.previous.as_ref().map(subkey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_of_every_secret_has_a_key_of_its_own() {
        let secrets = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
        let purposes = [
            Purpose::AccessTokens,
            Purpose::RefreshTokens,
            Purpose::Idempotency,
            Purpose::Throttles,
        ];
        let mut seen = Vec::new();
        for purpose in purposes {
            let [current, previous] = secrets.map(Secret::new);
            let keys = Keys { current, previous: Some(previous) }.derive(purpose);
            seen.extend([Some(keys.current), keys.previous].into_iter().flatten());
        }
        let mut seen: Vec<_> = seen.iter().map(|key| *key.as_bytes()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 2 * purposes.len());
        assert!(!seen.contains(&[0; 32]));
    }
}
