//! What ends a session, or changes a password, is told to its user and to the log.

use std::time::Duration;

use sqlx::{AnyPool, Row};
use tempfile::TempDir;
use watchme_actors::{
    domain::{SessionId, Timestamp, User},
    ports::{
        Accounts, Act, NewSession, Origin, PasswordChange, Rotated, Rotation, Sessions, acting,
        acting_as,
    },
};

use crate::sql::{CreateAccount, open};

const HOUR: Duration = Duration::from_secs(3_600);

fn session(user: &User, now: Timestamp) -> NewSession {
    NewSession {
        id: SessionId::generate(),
        user: user.id,
        password_hash: "hash".to_owned(),
        token_hash: "1".repeat(64),
        user_agent: None,
        address: None,
        now,
        idle: HOUR,
        lifetime: HOUR,
    }
}

async fn pool(folder: &TempDir) -> AnyPool {
    let file = folder.path().join("watchme.db");
    AnyPool::connect(&format!("sqlite://{}", file.display())).await.unwrap()
}

/// Kind, address and account of every mail that waits.
async fn mails(pool: &AnyPool) -> Vec<(String, String, String)> {
    let rows = sqlx::query("SELECT kind, address, user_id FROM mail_queue ORDER BY id");
    let rows = rows.fetch_all(pool).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[tokio::test]
async fn a_stolen_token_is_told_to_its_user() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let now = Timestamp::now();
    let ada = store.create_account("ada", now).await;
    let new = session(&ada, now);
    let id = new.id;
    store.begin(new).await.unwrap();
    let stolen = Rotation {
        session: id,
        presented: "0".repeat(64),
        child: "2".repeat(64),
        sealed_child: "sealed".to_owned(),
        now,
        idle: HOUR,
        grace: HOUR,
    };
    let thief = Act {
        address: "192.0.2.1".parse().ok(),
        request_id: Some("the thief's".to_owned()),
        ..Act::of(Origin::Request)
    };
    let outcome = acting(thief, store.rotate(stolen)).await.unwrap();
    assert_eq!(outcome, Rotated::Reused { user: ada.id });

    let pool = pool(&folder).await;
    let told = ("session_revoked".to_owned(), ada.email.to_string(), ada.id.to_string());
    assert_eq!(mails(&pool).await, [told]);
    let row = sqlx::query(
        "SELECT actor_id, address, request_id, subject_id, before_state FROM audit_log
         WHERE action = 'session.reuse_detected'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(row.get::<Option<String>, _>("actor_id"), None, "nobody knows who it was");
    assert_eq!(row.get::<String, _>("address"), "192.0.2.1");
    assert_eq!(row.get::<String, _>("request_id"), "the thief's");
    assert_eq!(row.get::<String, _>("subject_id"), ada.id.to_string());
    assert_eq!(row.get::<String, _>("before_state"), format!("{{\"session\":\"{id}\"}}"));
}

#[tokio::test]
async fn a_changed_password_is_told_to_its_user_without_the_hash() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let now = Timestamp::now();
    let ada = store.create_account("ada", now).await;
    let new = session(&ada, now);
    let keep = new.id;
    store.begin(new).await.unwrap();
    let (checked_hash, new_hash) = ("hash".to_owned(), "another".to_owned());
    let change = PasswordChange { checked_hash, new_hash, keep };
    acting_as(ada.id, store.change_password(ada.id, change, now)).await.unwrap();

    let pool = pool(&folder).await;
    let told = ("password_changed".to_owned(), ada.email.to_string(), ada.id.to_string());
    assert_eq!(mails(&pool).await, [told]);
    let row = sqlx::query(
        "SELECT actor_id, before_state, after_state FROM audit_log
         WHERE action = 'password.changed' AND subject_id = ?",
    )
    .bind(ada.id.to_string())
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(row.get::<String, _>("actor_id"), ada.id.to_string());
    for state in ["before_state", "after_state"] {
        assert_eq!(row.get::<Option<String>, _>(state), None);
    }
}
