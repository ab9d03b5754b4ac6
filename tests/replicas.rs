//! Several processes of the real binary over one set of engines, and those that must not be.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::{process::Command, time::Duration};

use serde_json::json;
use support::{
    Client,
    app::{ADMIN_EMAIL, ADMIN_PASSWORD},
    backend::Backend,
    process::{Process, free_address, ready},
    smtp::SmtpDouble,
};
use tempfile::TempDir;

const START: Duration = Duration::from_secs(60);

/// The settings of a replica.
fn settings(backend: &Backend) -> Vec<(&'static str, String)> {
    let admin = [("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL), ("WATCHME_ADMIN_PASSWORD", ADMIN_PASSWORD)];
    let admin = admin.map(|(name, value)| (name, value.to_owned()));
    backend.settings().into_iter().chain(admin).collect()
}

fn start(folder: &TempDir, settings: &[(&'static str, String)]) -> (Process, Client) {
    let address = free_address();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(folder.path(), &address, &settings);
    (process, Client::new(format!("http://{address}")))
}

/// What a start that must not succeed says.
async fn refused(folder: &TempDir, settings: Vec<(&'static str, String)>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchme"));
    command
        .env_clear()
        .env("WATCHME_DATA_DIR", folder.path())
        .env("WATCHME_LISTEN", free_address())
        .env("RUST_LOG", "off")
        .env("WATCHME_EMAIL_VERIFICATION", "off")
        .envs(settings);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

async fn reachable(client: &Client) {
    ready(client.base.trim_start_matches("http://"), START).await;
}

#[tokio::test]
async fn replicas_that_start_at_once_on_empty_engines_become_one_service() {
    let Some(backend) = Backend::if_there().await else { return };
    let folder = TempDir::new().unwrap();
    let settings = settings(&backend);
    let replicas: Vec<_> = (0..3).map(|_| start(&folder, &settings)).collect();
    for (_, client) in &replicas {
        reachable(client).await;
    }
    let (one, other) = (&replicas[0].1, &replicas[1].1);
    let admin = one.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    assert_eq!(admin.get("/users").await.data().len(), 1, "one first admin");
    let packages = admin.get("/packages?pageSize=100").await.data();
    let mut names: Vec<_> = packages.iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!((names.len(), count > 0), (count, true), "every package of the demo once");
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing is kept here");

    // What is done on one is so on the other.
    let everywhere = admin.at(other);
    assert_eq!(everywhere.get("/genres?pageSize=100").await.data().len(), 19);
    let package = packages[0]["id"].as_str().unwrap();
    admin.subscribe(package).await;
    let movies = async {
        loop {
            let found = everywhere.get("/movies").await.data();
            match found.first() {
                Some(movie) => return movie["id"].as_u64().unwrap(),
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let movie = tokio::time::timeout(START, movies).await.expect("the catalogue comes to both");
    everywhere.put(&format!("/watched/{movie}"), &json!({})).await.expect(201);
    assert_eq!(admin.get("/reports/me").await.expect(200)["totalFilmsWatched"], 1);
    for (process, _) in replicas {
        let (time, clean) = process.terminate();
        assert!(clean && time < Duration::from_secs(25), "{time:?}");
    }
}

#[tokio::test]
async fn who_keeps_something_to_itself_shares_no_database() {
    let Some(backend) = Backend::if_there().await else { return };
    let folders = [(); 2].map(|()| TempDir::new().unwrap());
    let all = settings(&backend);
    let mut alone = all.clone();
    alone.retain(|(name, _)| *name != "NATS_URL");

    let (process, client) = start(&folders[0], &alone);
    reachable(&client).await;
    let told = refused(&folders[1], alone.clone()).await;
    assert!(told.contains("another instance works on this MySQL database"), "{told}");
    let told = refused(&folders[1], all.clone()).await;
    assert!(told.contains("NATS_URL"), "{told}");
    let (_, clean) = process.terminate();
    assert!(clean);

    let (_replica, client) = start(&folders[0], &all);
    reachable(&client).await;
    let told = refused(&folders[1], alone).await;
    assert!(told.contains("another instance works on this MySQL database"), "{told}");
}

#[tokio::test]
async fn a_mail_is_sent_once_whichever_replica_was_asked() {
    let Some(backend) = Backend::if_there().await else { return };
    let folder = TempDir::new().unwrap();
    let smtp = SmtpDouble::start().await;
    let mut settings = settings(&backend);
    settings.push(("WATCHME_SMTP_URL", smtp.url()));
    let replicas: Vec<_> = (0..2).map(|_| start(&folder, &settings)).collect();
    for (_, client) in &replicas {
        reachable(client).await;
    }
    let body = json!({ "email": ADMIN_EMAIL });
    for n in 0..20 {
        let (_, client) = &replicas[n % 2];
        client.post("/auth/password/forgot", &body).await.expect(202);
    }
    let mails = smtp.mails_to(ADMIN_EMAIL, 20).await;
    // A token that one replica wrote counts on the other.
    for (n, mail) in mails.iter().enumerate().take(2) {
        let password = format!("pass phrase number {n}");
        let body = json!({ "token": mail.token(), "password": password });
        let (_, client) = &replicas[n % 2];
        let status = client.post("/auth/password/reset", &body).await.status;
        assert_eq!(status, if n == 0 { 204 } else { 422 }, "the first ends the others");
    }
    // That the password was changed is told once, too.
    smtp.mails_to(ADMIN_EMAIL, 21).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(smtp.received().len(), 21);
}
