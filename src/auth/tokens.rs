//! Access tokens: JWT, HS256, short-lived.

use std::{fmt, sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use quick_cache::{Weighter, sync::Cache};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use watchme_actors::{
    domain::{SessionId, UserId},
    ports::Clock,
};

use super::keys::{Keys, Purpose, Subkey};

const ISSUER: &str = "watchme";
const AUDIENCE: &str = "watchme-api";
const ACCESS: &str = "access";
/// How far the clocks of two replicas may be apart, in seconds.
const LEEWAY: i64 = 5;
/// Longer ones are not looked at; ours have about 460 bytes.
const MAX_TOKEN_BYTES: usize = 2048;
/// Tokens that were found genuine are remembered, in so many bytes together.
const REMEMBERED: u64 = 8 * 1024 * 1024;
/// What one of them costs besides its text, about.
const OVERHEAD: usize = 512;

/// What an access token says. Every claim is required.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// Whose it is.
    pub sub: UserId,
    /// The session that it belongs to, and ends with.
    pub sid: SessionId,
    /// When it was issued, seconds since 1970.
    pub iat: i64,
    /// From when it counts, seconds since 1970.
    pub nbf: i64,
    /// Until when it counts, seconds since 1970.
    pub exp: i64,
    /// Unique.
    pub jti: Uuid,
    /// `access`: tokens for other purposes are refused.
    pub typ: String,
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one of ours, or not for this, or not yet.
    #[error("the token is not valid")]
    Invalid,
    /// It was good until it expired.
    #[error("the token has expired")]
    Expired,
}

/// An access token as it is sent.
type Token = Box<str>;

/// What a remembered token takes.
#[derive(Clone)]
struct Weighed;

impl Weighter<Token, Arc<Claims>> for Weighed {
    fn weight(&self, token: &Token, _: &Arc<Claims>) -> u64 {
        (token.len() + OVERHEAD) as u64
    }
}

/// A token that was just issued.
#[derive(Clone)]
pub struct IssuedToken {
    /// What the client sends as `Authorization: Bearer …`.
    pub token: String,
    /// For how long it counts.
    pub expires_in: Duration,
}

/// Issues and verifies access tokens.
pub struct Tokens {
    header: Header,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    validation: Validation,
    lifetime: Duration,
    /// What genuine tokens say. Whether they count yet, or still, is looked at each time.
    genuine: Cache<Token, Arc<Claims>, Weighed>,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Tokens that live for `lifetime`.
    #[must_use]
    pub fn new(keys: &Keys, lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        let keys = keys.derive(Purpose::AccessTokens);
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(keys.current.fingerprint());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        // Times are compared below, with the clock that tests can drive.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let verifying =
            |key: &Subkey| (key.fingerprint(), DecodingKey::from_secret(key.as_bytes()));
        Self {
            header,
            signing: EncodingKey::from_secret(keys.current.as_bytes()),
            verifying: [Some(&keys.current), keys.previous.as_ref()]
                .into_iter()
                .flatten()
                .map(verifying)
                .collect(),
            validation,
            lifetime,
            genuine: Cache::with_weighter(REMEMBERED as usize / 1_024, REMEMBERED, Weighed),
            clock,
        }
    }

    /// A token for a user's session.
    ///
    /// # Errors
    /// `Invalid` when it cannot be signed, which no key of ours leads to.
    pub fn issue(&self, user: UserId, session: SessionId) -> Result<IssuedToken, TokenError> {
        let now = self.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            sid: session,
            iat: now,
            nbf: now,
            exp: now.saturating_add_unsigned(self.lifetime.as_secs()),
            jti: Uuid::now_v7(),
            typ: ACCESS.to_owned(),
        };
        let token =
            encode(&self.header, &claims, &self.signing).map_err(|_| TokenError::Invalid)?;
        Ok(IssuedToken { token, expires_in: self.lifetime })
    }

    /// What a token says, if it is to be believed.
    ///
    /// # Errors
    /// `Invalid`, `Expired`.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let claims = match self.genuine.get(token) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.read(token)?);
                self.genuine.insert(token.into(), Arc::clone(&claims));
                claims
            }
        };
        let now = self.now();
        let latest_start = now.saturating_add(LEEWAY);
        if claims.nbf > latest_start || claims.iat > latest_start {
            return Err(TokenError::Invalid);
        }
        if claims.exp.saturating_add(LEEWAY) <= now {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// What a token says, if we have issued it for this.
    fn read(&self, token: &str) -> Result<Claims, TokenError> {
        let mut header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = header
            .kid
            .take()
            .and_then(|kid| self.verifying.iter().find(|(known, _)| *known == kid))
            .map(|(_, key)| key)
            .ok_or(TokenError::Invalid)?;
        // Another algorithm, a key that it brings along, an extension: none of ours has them.
        if header != Header::new(Algorithm::HS256) {
            return Err(TokenError::Invalid);
        }
        let claims =
            decode::<Claims>(token, key, &self.validation).map_err(|_| TokenError::Invalid)?.claims;
        if claims.typ == ACCESS { Ok(claims) } else { Err(TokenError::Invalid) }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis().div_euclid(1000)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::{Value, json};
    use watchme_actors::domain::Timestamp;

    use super::*;
    use crate::config::Secret;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    #[derive(Default)]
    struct Driven(AtomicI64);

    impl Clock for Driven {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    fn tokens(current: &str, previous: Option<&str>, clock: &Arc<Driven>) -> Tokens {
        let keys = Keys { current: Secret::new(current), previous: previous.map(Secret::new) };
        Tokens::new(&keys, Duration::from_secs(900), Arc::clone(clock) as Arc<dyn Clock>)
    }

    fn clock() -> Arc<Driven> {
        Arc::new(Driven(AtomicI64::new(1_800_000_000_000)))
    }

    fn good() -> Value {
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": UserId::generate(), "sid": SessionId::generate(),
            "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_800_000_900, "jti": Uuid::now_v7(), "typ": ACCESS,
        })
    }

    fn subkey(secret: &str) -> Subkey {
        let keys = Keys { current: Secret::new(secret), previous: None };
        keys.derive(Purpose::AccessTokens).current
    }

    fn signed(header: &Header, claims: &Value, secret: &str) -> String {
        encode(header, claims, &EncodingKey::from_secret(subkey(secret).as_bytes())).unwrap()
    }

    fn header(secret: &str) -> Header {
        Header { kid: Some(subkey(secret).fingerprint()), ..Header::new(Algorithm::HS256) }
    }

    #[test]
    fn a_token_says_whose_it_is_until_it_expires() {
        let clock = clock();
        let tokens = tokens(KEY, None, &clock);
        let (user, session) = (UserId::generate(), SessionId::generate());
        let issued = tokens.issue(user, session).unwrap();
        let claims = tokens.verify(&issued.token).unwrap();
        assert_eq!((claims.sub, claims.sid), (user, session));
        assert!(Arc::ptr_eq(&claims, &tokens.verify(&issued.token).unwrap()), "read once");
        clock.0.fetch_add(904_999, Ordering::SeqCst);
        assert!(tokens.verify(&issued.token).is_ok(), "within the leeway");
        clock.0.fetch_add(1, Ordering::SeqCst);
        assert_eq!(tokens.verify(&issued.token).unwrap_err(), TokenError::Expired);
    }

    #[test]
    fn a_token_of_the_previous_key_verifies_and_the_current_key_signs() {
        let clock = clock();
        let issue = |tokens: &Tokens| {
            tokens.issue(UserId::generate(), SessionId::generate()).unwrap().token
        };
        let old = issue(&tokens(OTHER, None, &clock));
        let rotated = tokens(KEY, Some(OTHER), &clock);
        assert!(rotated.verify(&old).is_ok());
        let new = issue(&rotated);
        assert!(tokens(OTHER, None, &clock).verify(&new).is_err());
        assert!(tokens(KEY, None, &clock).verify(&old).is_err());
    }

    #[test]
    fn every_claim_is_required_and_checked() {
        let tokens = tokens(KEY, None, &clock());
        assert!(tokens.verify(&signed(&header(KEY), &good(), KEY)).is_ok());
        for claim in ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "typ"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(claim);
            assert!(tokens.verify(&signed(&header(KEY), &claims, KEY)).is_err(), "no {claim}");
        }
        for (claim, wrong) in [
            ("iss", json!("else")),
            ("aud", json!("else")),
            ("aud", json!([AUDIENCE, "else"])),
            ("sub", json!("1")),
            ("sid", json!("1")),
            ("nbf", json!(1_800_000_006)),
            ("iat", json!(1_800_000_006)),
            ("exp", json!(1_799_999_995)),
            ("exp", json!("never")),
            ("typ", json!("refresh")),
        ] {
            let mut claims = good();
            claims[claim] = wrong.clone();
            let verdict = tokens.verify(&signed(&header(KEY), &claims, KEY));
            assert!(verdict.is_err(), "{claim} = {wrong}");
        }
    }

    #[test]
    fn only_hs256_with_a_known_key_is_believed() {
        let tokens = tokens(KEY, None, &clock());
        let right = header(KEY);
        let refused =
            |token: &str| assert_eq!(tokens.verify(token).unwrap_err(), TokenError::Invalid);
        refused(&signed(&Header { alg: Algorithm::HS384, ..right.clone() }, &good(), KEY));
        refused(&signed(&Header { kid: None, ..right.clone() }, &good(), KEY));
        refused(&signed(&right, &good(), OTHER));
        refused(&signed(&header(OTHER), &good(), OTHER));
        refused(&signed(&Header { crit: Some(vec!["b64".into()]), ..right.clone() }, &good(), KEY));
        refused(&signed(&Header { jku: Some("https://x".into()), ..right.clone() }, &good(), KEY));
        let token = signed(&right, &good(), KEY);
        let (rest, signature) = token.rsplit_once('.').unwrap();
        refused(rest);
        refused(&format!("{rest}."));
        refused(&format!("{rest}.{}", signature.chars().rev().collect::<String>()));
        refused("");
        refused(&"a".repeat(1_000_000));
        // `alg: none`, which the library cannot even write.
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        let claims = token.split('.').nth(1).unwrap();
        refused(&format!("{none}.{claims}."));
    }
}
