//! Access tokens with the claims, the key and the size of WatchMe's, so that both sides verify the
//! same ones.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::Error,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const ISSUER: &str = "watchme";
const AUDIENCE: &str = "watchme-api";
/// Longer than any run, in seconds.
const LIFETIME: u64 = 6 * 3_600;

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// Whose it is.
    pub sub: Uuid,
    sid: Uuid,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: Uuid,
    typ: String,
}

/// The key that WatchMe derives from `JWT_SECRET` for access tokens.
fn key(secret: &str) -> [u8; 32] {
    let mut key = [0; 32];
    match Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(b"watchme access token", &mut key) {
        Ok(()) => key,
        Err(_) => unreachable!("HKDF-SHA256 gives up to 8160 bytes"),
    }
}

/// Signs tokens.
pub struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// As WatchMe signs with this `JWT_SECRET`.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let key = key(secret);
        let digest = Sha256::new().chain_update(b"watchme key id").chain_update(key).finalize();
        let kid = Some(HEXLOWER.encode(&digest[..8]));
        let header = Header { kid, ..Header::new(Algorithm::HS256) };
        Self { header, key: EncodingKey::from_secret(&key) }
    }

    /// A token for a user's session.
    ///
    /// # Errors
    /// When it cannot be signed, which no key of ours leads to.
    pub fn sign(&self, user: Uuid, session: Uuid) -> Result<String, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            sid: session,
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
            jti: Uuid::now_v7(),
            typ: "access".to_owned(),
        };
        encode(&self.header, &claims, &self.key)
    }
}

/// Verifies tokens.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// Those that a [`Signer`] with the same secret has signed.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        Self { key: DecodingKey::from_secret(&key(secret)), validation }
    }

    /// What a token says.
    ///
    /// # Errors
    /// When it is not to be believed.
    pub fn verify(&self, token: &str) -> Result<Claims, Error> {
        Ok(decode::<Claims>(token, &self.key, &self.validation)?.claims)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_with_the_same_secret_is_believed() {
        let user = Uuid::now_v7();
        let token = Signer::new("a secret of the benchmark").sign(user, Uuid::now_v7()).unwrap();
        assert_eq!(Verifier::new("a secret of the benchmark").verify(&token).unwrap().sub, user);
        assert!(Verifier::new("another secret").verify(&token).is_err());
    }
}
