//! `Idempotency-Key`: a POST that is repeated is carried out once.

use actix_web::{HttpMessage, HttpRequest};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use watchme_actors::{domain::UserId, ports::IdempotencyKey};

use super::{ErrorCode, Problem, body::RawBody, layers::RoutePattern};
use crate::config::Secret;

const HEADER: &str = "Idempotency-Key";
const MAX_LENGTH: usize = 200;

/// Digests requests, so that the store can tell two apart without keeping what they said.
pub(crate) struct Fingerprints(Hmac<Sha256>);

impl Fingerprints {
    pub(crate) fn new(secret: &Secret) -> Self {
        let digest = Sha256::new()
            .chain_update(b"watchme idempotency")
            .chain_update(secret.expose())
            .finalize();
        let mut key = [0; 64];
        key[..digest.len()].copy_from_slice(&digest);
        Self(Hmac::new(&key.into()))
    }

    /// The key of a request, where it has one. `caller` is `None` before anybody has signed in.
    ///
    /// # Errors
    /// 400 when the key is not 1 to 200 visible ASCII characters; what is wrong with the body.
    pub(crate) fn key(
        &self,
        req: &HttpRequest,
        caller: Option<UserId>,
        body: &RawBody,
    ) -> Result<Option<IdempotencyKey>, Problem> {
        let mut sent = req.headers().get_all(HEADER);
        let Some(value) = sent.next() else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| {
            (1..=MAX_LENGTH).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
        });
        let (Some(key), None) = (key, sent.next()) else {
            return Err(Problem::new(
                ErrorCode::InvalidHeader,
                "Idempotency-Key must be 1 to 200 visible ASCII characters",
            ));
        };
        let route = req.extensions().get::<RoutePattern>().map_or("", |route| route.0);
        let who = caller.map_or_else(|| "anonymous".to_owned(), |user| user.to_string());
        let scope = format!("{who} {} {route}", req.method());
        let digest = [scope.as_str(), req.path(), &body.canonical()?]
            .iter()
            // The length before each part, so that parts cannot run into one another.
            .fold(self.0.clone(), |mac, part| {
                mac.chain_update(part.len().to_be_bytes()).chain_update(part.as_bytes())
            })
            .finalize()
            .into_bytes();
        let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(IdempotencyKey { scope, key: key.to_owned(), fingerprint }))
    }
}
