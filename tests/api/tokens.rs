//! Access tokens that are not ours, or not for this, or not now: none of them opens anything.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::support::{Answer, Client, TestApp};

const SECRET: &str = "a secret that only this test knows, 0123456789";

/// The key that access tokens are signed with under a secret.
fn access_key(secret: &str) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(b"watchme access token", &mut key).unwrap();
    key
}

/// A token of this very text, signed by HMAC-SHA256 whatever it says of itself.
fn forged(header: &str, claims: &str, key: &[u8]) -> String {
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let text = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&text);
    format!("{text}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A service, and a token that it has issued.
struct Scene {
    app: TestApp,
    user: Client,
    header: Value,
    claims: Value,
}

impl Scene {
    async fn set() -> Self {
        let app = TestApp::start_with(&[("JWT_SECRET", SECRET)]).await;
        let user = app.user().await;
        let token = user.token.clone().unwrap();
        let (header, claims) = (part(&token, 0), part(&token, 1));
        let scene = Self { app, user, header, claims };
        // What is forged below is as good as ours but for what it is about.
        scene.send(&scene.signed(&scene.claims)).await.expect(200);
        scene
    }

    /// Signed as ours are.
    fn signed(&self, claims: &Value) -> String {
        forged(&self.header.to_string(), &claims.to_string(), &access_key(SECRET))
    }

    fn with_header(&self, header: &Value) -> String {
        forged(&header.to_string(), &self.claims.to_string(), &access_key(SECRET))
    }

    async fn send(&self, token: &str) -> Answer {
        self.app.client.with_token(token).get("/users/me").await
    }

    async fn refused(&self, what: &str, token: &str) {
        let answer = self.send(token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.problem(401, "invalid_token");
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{what}");
    }
}

#[tokio::test]
async fn an_unsigned_token_is_none_however_it_is_spelt() {
    let scene = Scene::set().await;
    let token = scene.user.token.clone().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let claims = signed.split('.').nth(1).unwrap();
    for alg in ["none", "None", "NONE", "nOnE", "none ", "", "null"] {
        let mut header = scene.header.clone();
        header["alg"] = json!(alg);
        let head = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        for signature in ["", signature, "AA"] {
            scene.refused(alg, &format!("{head}.{claims}.{signature}")).await;
        }
        scene.refused(alg, &format!("{head}.{claims}")).await;
        scene.refused(alg, &scene.with_header(&header)).await;
    }
    for (what, token) in [
        ("no signature", signed.to_owned()),
        ("an empty signature", format!("{signed}.")),
        ("another signature", format!("{signed}.{}", signature.chars().rev().collect::<String>())),
        ("half a signature", format!("{signed}.{}", &signature[..21])),
        ("two signatures", format!("{token}.{signature}")),
    ] {
        scene.refused(what, &token).await;
    }
}

#[tokio::test]
async fn another_key_or_another_algorithm_does_not_count() {
    let scene = Scene::set().await;
    let (header, claims) = (scene.header.to_string(), scene.claims.to_string());
    for (what, key) in [
        ("no key", b"".as_slice()),
        ("the secret itself", SECRET.as_bytes()),
        ("another secret's key", &access_key("another secret of more than 32 bytes")),
        ("the key's name", scene.header["kid"].as_str().unwrap().as_bytes()),
    ] {
        scene.refused(what, &forged(&header, &claims, key)).await;
    }
    let key = EncodingKey::from_secret(&access_key(SECRET));
    for alg in [Algorithm::HS384, Algorithm::HS512] {
        let kid = scene.header["kid"].as_str().map(str::to_owned);
        let token = encode(&Header { kid, ..Header::new(alg) }, &scene.claims, &key).unwrap();
        scene.refused("another algorithm", &token).await;
    }
    // An asymmetric one claimed over our HMAC.
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "HS384", "HS512", "hs256"] {
        let mut header = scene.header.clone();
        header["alg"] = json!(alg);
        scene.refused(alg, &scene.with_header(&header)).await;
    }
}

#[tokio::test]
async fn a_token_brings_no_key_along() {
    let scene = Scene::set().await;
    let mine = [7; 32];
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": BASE64URL_NOPAD.encode(&mine) });
    for (field, value) in [
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:9/keys.json")),
        ("x5u", json!("http://127.0.0.1:9/key.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("cty", json!("JWT")),
        ("typ", json!("at+jwt")),
    ] {
        let mut header = scene.header.clone();
        header[field] = value;
        scene.refused(field, &scene.with_header(&header)).await;
        let theirs = forged(&header.to_string(), &scene.claims.to_string(), &mine);
        scene.refused(field, &theirs).await;
    }
    for kid in [
        json!("unknown"),
        json!(""),
        json!("../../../../dev/null"),
        json!("/proc/sys/kernel/randomize_va_space"),
        json!("x' UNION SELECT 'a' -- "),
        json!("0123456789abcdef\u{0}"),
        json!(["a"]),
        json!(7),
        Value::Null,
    ] {
        let mut header = scene.header.clone();
        header["kid"] = kid.clone();
        for key in [access_key(SECRET).as_slice(), &mine, b""] {
            let token = forged(&header.to_string(), &scene.claims.to_string(), key);
            scene.refused(&format!("kid {kid}"), &token).await;
        }
    }
}

#[tokio::test]
async fn every_claim_has_to_be_there_once_and_right() {
    let scene = Scene::set().await;
    for (claim, wrong) in [
        ("aud", json!("another-api")),
        ("aud", json!(["watchme-api", "another-api"])),
        ("iss", json!("another")),
        ("typ", json!("refresh")),
        ("sub", json!("admin")),
        ("sid", json!("session")),
        ("nbf", json!(now() + 3_600)),
        ("iat", json!(now() + 3_600)),
        ("exp", json!("never")),
        ("exp", json!(1e300)),
        ("jti", json!(1)),
    ] {
        let mut claims = scene.claims.clone();
        claims[claim] = wrong.clone();
        scene.refused(&format!("{claim} = {wrong}"), &scene.signed(&claims)).await;
    }
    let names: Vec<String> = scene.claims.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 9, "{names:?}");
    for name in names {
        let mut claims = scene.claims.clone();
        let value = claims.as_object_mut().unwrap().remove(&name).unwrap();
        scene.refused(&format!("without {name}"), &scene.signed(&claims)).await;
        // Twice, with the same value: which of two counts is nobody's guess.
        let text = scene.claims.to_string();
        let twice = format!("{{\"{name}\":{value},{}", &text[1..]);
        let token = forged(&scene.header.to_string(), &twice, &access_key(SECRET));
        scene.refused(&format!("{name} twice"), &token).await;
    }
    for text in ["", "null", "[]", "{}", "\"x\"", "{\"exp\":"] {
        let token = forged(&scene.header.to_string(), text, &access_key(SECRET));
        scene.refused(text, &token).await;
    }
}

#[tokio::test]
async fn a_token_counts_for_its_own_time_user_and_session() {
    let scene = Scene::set().await;
    let with = |claim: &str, value: Value| {
        let mut claims = scene.claims.clone();
        claims[claim] = value;
        scene.signed(&claims)
    };
    scene.send(&with("exp", json!(now() - 60))).await.problem(401, "token_expired");
    scene.send(&with("exp", json!(now() + 60))).await.expect(200);
    let nobody = with("sub", json!(Uuid::now_v7()));
    scene.send(&nobody).await.problem(401, "account_inactive");
    let nowhere = with("sid", json!(Uuid::now_v7()));
    scene.send(&nowhere).await.problem(401, "session_ended");
    let other = scene.app.user().await;
    let theirs = part(other.token.as_ref().unwrap(), 1)["sid"].clone();
    scene.send(&with("sid", theirs)).await.problem(401, "session_ended");
}

#[tokio::test]
async fn a_token_for_one_thing_is_none_for_another() {
    let scene = Scene::set().await;
    let admin = json!({ "email": crate::support::app::ADMIN_EMAIL,
        "password": crate::support::app::ADMIN_PASSWORD });
    let tokens = scene.app.client.post("/auth/login", &admin).await.expect(200);
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    scene.refused("a refresh token", &text("refreshToken")).await;
    let access = json!({ "refreshToken": &text("accessToken")[..86] });
    let answer = scene.app.client.post("/auth/refresh", &access).await;
    answer.problem(401, "invalid_refresh_token");
    for claims in [json!({ "typ": "refresh" }), json!({ "typ": "ACCESS" }), json!({ "typ": "" })] {
        let mut all = scene.claims.clone();
        all["typ"] = claims["typ"].clone();
        scene.refused("another typ", &scene.signed(&all)).await;
    }
}
