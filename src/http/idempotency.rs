//! `Idempotency-Key`: a POST that is repeated is carried out once.

use actix_web::{HttpMessage, HttpRequest};
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use watchme_actors::{
    domain::{Email, UserId},
    ports::IdempotencyKey,
};

use super::{ErrorCode, Problem, body::RawBody, layers::RoutePattern};
use crate::auth::{Keys, Purpose};

const HEADER: &str = "Idempotency-Key";
const MAX_LENGTH: usize = 200;

/// Digests requests, so that the store can tell two apart without keeping what they said.
pub(crate) struct Fingerprints {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

/// Who sends a request with a key: the same key of somebody else is another key.
pub(crate) enum Sender<'a> {
    /// Somebody who has signed in.
    User(UserId),
    /// Somebody who has not, and is known by the address that they give.
    Nobody { email: &'a Email },
}

impl Fingerprints {
    pub(crate) fn new(keys: &Keys) -> Self {
        let keys = keys.derive(Purpose::Idempotency);
        Self { current: keys.current.mac(), previous: keys.previous.map(|key| key.mac()) }
    }

    /// The key of a request, where it has one.
    ///
    /// # Errors
    /// 400 when the key is not 1 to 200 visible ASCII characters; what is wrong with the body.
    pub(crate) fn key(
        &self,
        req: &HttpRequest,
        sender: Sender<'_>,
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
        let who = match sender {
            Sender::User(user) => user.to_string(),
            Sender::Nobody { email } => {
                let mut digest = digest(&self.current, &[email.as_str()]);
                digest.truncate(32);
                format!("anonymous {digest}")
            }
        };
        let scope = format!("{who} {} {route}", req.method());
        let body = body.canonical()?;
        // Not the scope: it may hold a digest under the current secret.
        let parts = [route, req.path(), &body];
        let fingerprint = digest(&self.current, &parts);
        let previous_fingerprint = self.previous.as_ref().map(|mac| digest(mac, &parts));
        let key = key.to_owned();
        Ok(Some(IdempotencyKey { scope, key, fingerprint, previous_fingerprint }))
    }
}

fn digest(mac: &Hmac<Sha256>, parts: &[&str]) -> String {
    // The length before each part, so that parts cannot run into one another.
    let mac = parts.iter().fold(mac.clone(), |mac, part| {
        mac.chain_update(part.len().to_be_bytes()).chain_update(part.as_bytes())
    });
    HEXLOWER.encode(&mac.finalize().into_bytes())
}
