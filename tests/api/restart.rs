//! What a second start keeps, and what the first one tells. The real binary where it matters.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    oracle::{DRAMA, FIGHT_CLUB},
    support::{
        Client, TestApp,
        app::{ADMIN_EMAIL, ADMIN_PASSWORD, USER_PASSWORD},
        process::{Process, free_address, ready},
    },
};

/// Runs the binary to its end; one that would serve ends at once because something is wrong.
fn run(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchme"))
        .args(arguments)
        .env_clear()
        .env("WATCHME_DATA_DIR", folder)
        .env("WATCHME_LISTEN", "127.0.0.1:0")
        .env("RUST_LOG", "error")
        .envs(settings.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_second_start_keeps_everything() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let user = app.subscriber(&[DRAMA]).await;
    let email = user.get("/users/me").await.json()["email"].as_str().unwrap().to_owned();
    user.put("/watched/550", &json!({ "watchedAt": "2020-03-01" })).await.expect(201);
    user.post("/watched/550/plays", &json!({ "watchedAt": "2020-02-01" })).await.expect(201);
    const OWN: [&str; 8] = [
        "/users/me",
        "/watched",
        "/watched/550",
        "/reports/me",
        "/subscriptions",
        "/entitlements",
        "/movies?pageSize=100&sort=title",
        "/movies/550",
    ];
    const ADMINS: [&str; 5] =
        ["/users", "/packages", "/genres?pageSize=100", "/reports", "/genres/sync"];
    let read = async |user: &Client, admin: &Client| -> Vec<Value> {
        let mut found = Vec::new();
        for (client, paths) in [(user, &OWN[..]), (admin, &ADMINS[..])] {
            for path in paths {
                found.push(client.get(path).await.expect(200));
            }
        }
        found
    };
    let before = read(&user, &admin).await;

    let app = app.restart().await;
    // Tokens from before go on: the secret is kept.
    let at_new_address = |client: &Client| {
        let mut client = client.clone();
        client.base.clone_from(&app.client.base);
        client
    };
    let (old_user, old_admin) = (at_new_address(&user), at_new_address(&admin));
    assert_eq!(read(&old_user, &old_admin).await, before);
    let user = app.client.login(&email, USER_PASSWORD).await;
    let admin = app.client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    assert_eq!(read(&user, &admin).await, before);
    // And it goes on from there.
    user.put("/watched/550", &json!({})).await.expect(200);
    user.put("/watched/14", &json!({})).await.expect(201);
    assert_eq!(user.get("/reports/me").await.json()["totalFilmsWatched"], 2);
    // Packages of the demo are not made a second time, not even when they were archived.
    let adrenaline = admin.package("Adrenaline").await;
    admin.delete(&format!("/packages/{adrenaline}")).await;
    let app = app.restart().await;
    let names: Vec<Value> = app.admin().await.get("/packages?pageSize=100").await.data();
    assert_eq!(names.iter().filter(|it| it["name"] == "Adrenaline").count(), 0);
    assert_eq!(names.iter().filter(|it| it["name"] == "Arthouse").count(), 1);
}

#[tokio::test]
async fn a_folder_belongs_to_one_process() {
    let app = TestApp::start_in_its_folder().await;
    app.catalogue_ready().await;
    let second = run(&app.folder(), &[], &[]);
    assert!(!second.status.success());
    let told = text(&second.stderr);
    assert!(told.contains("is used by another process"), "{told}");
    assert!(told.contains("WATCHME_DATA_DIR"), "{told}");
    assert!(told.trim().lines().count() == 1 && !told.contains("panicked"), "{told}");
    // The first one has not noticed.
    app.subscriber(&[DRAMA])
        .await
        .put(&format!("/watched/{FIGHT_CLUB}"), &json!({}))
        .await
        .expect(201);
}

#[tokio::test]
async fn the_admins_password_is_in_a_file_for_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let process = Process::start(folder.path(), &address, &[]);
    ready(&address, Duration::from_secs(20)).await;
    let file = folder.path().join("admin-password");
    let password = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(password.len() >= 16);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for name in ["admin-password", "jwt-secret"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
    let client = Client::new(format!("http://{address}"));
    // The address of the account is told at the start; the file's name is no secret.
    let admin = client.login("admin@watchme.example", &password).await;
    assert_eq!(admin.get("/users/me").await.json()["role"], "admin");
    process.kill();

    // A second start makes neither another account nor another password.
    let process = Process::start(folder.path(), &address, &[]);
    ready(&address, Duration::from_secs(20)).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), password);
    let admin = client.login("admin@watchme.example", &password).await;
    assert_eq!(admin.get("/users?role=admin").await.data().len(), 1);
    drop(process);
}

#[tokio::test]
async fn the_first_start_says_where_things_are() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let welcome = folder.path().join("welcome");
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchme"))
        .env_clear()
        .env("WATCHME_DATA_DIR", folder.path().join("data"))
        .env("WATCHME_LISTEN", &address)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&welcome).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    ready(&address, Duration::from_secs(20)).await;
    let told = std::fs::read_to_string(&welcome).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let password = folder.path().join("data/admin-password");
    for part in [
        &format!("http://{address}"),
        "/api/docs",
        "demo catalogue",
        "TMDB_API_KEY",
        password.to_str().unwrap(),
    ] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    let secret = std::fs::read_to_string(password).unwrap();
    assert!(!told.contains(secret.trim()), "the password itself is not printed");
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    let folder = TempDir::new().unwrap();
    for (variable, value) in [
        ("WATCHME_LISTEN", "somewhere"),
        ("WATCHME_WORKERS", "0"),
        ("DATABASE_URL", "postgres://host/database"),
        ("TMDB_API_KEY", "not a key"),
        ("TMDB_BASE_URL", "ftp://tmdb.example"),
        ("TMDB_LANGUAGE", "english"),
        ("TMDB_RATE", "0"),
        ("JWT_SECRET", "too short"),
        ("JWT_SECRET_PREVIOUS", "too short"),
        ("WATCHME_ADMIN_EMAIL", "nobody"),
        ("WATCHME_ADMIN_PASSWORD", "short"),
        ("WATCHME_GENRE_SYNC_INTERVAL", "often"),
        ("WATCHME_MOVIE_TTL", "-5m"),
        ("WATCHME_CATALOGUE_PAGES", "501"),
        ("WATCHME_PACKAGE_CREATORS", "everybody"),
        ("WATCHME_ENTITLEMENT_MODE", "some"),
        ("WATCHME_LOG_FORMAT", "xml"),
        ("RUST_LOG", "watchme=loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
        ("MONGODB_URL", "mysql://host"),
        ("NATS_URL", "http://host"),
    ] {
        let ended = run(folder.path(), &[], &[(variable, value)]);
        let told = text(&ended.stderr);
        assert!(!ended.status.success(), "{variable}={value}");
        assert!(told.contains(variable), "{variable}={value}: {told}");
        assert!(!told.contains("panicked"), "{told}");
        // What is secret is not repeated.
        if ["JWT", "PASSWORD", "KEY"].iter().any(|word| variable.contains(word)) {
            assert!(!told.contains(value), "{told}");
        }
    }
    // All that is wrong is told at once.
    let ended = run(folder.path(), &[], &[("TMDB_RATE", "x"), ("WATCHME_WORKERS", "x")]);
    let told = text(&ended.stderr);
    assert!(told.contains("TMDB_RATE") && told.contains("WATCHME_WORKERS"), "{told}");
    // Nothing was left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_in_force_is_printed_without_secrets() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("watchme.toml"), "movie_ttl = \"7m\"\ncatalogue_pages = 9\n")
        .unwrap();
    let secret = "a secret of more than thirty-two bytes";
    let settings = [("JWT_SECRET", secret), ("WATCHME_CATALOGUE_PAGES", "11")];
    let printed = run(folder.path(), &["config"], &settings);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let lines = text(&printed.stdout);
    let line = |name: &str| lines.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("WATCHME_MOVIE_TTL").contains("7m"), "the file: {lines}");
    assert!(line("WATCHME_CATALOGUE_PAGES").contains("11"), "the environment wins: {lines}");
    assert!(line("WATCHME_GENRE_SYNC_INTERVAL").contains("2h"), "the default: {lines}");
    assert!(!lines.contains(secret), "{lines}");
    let wrong = std::fs::write(folder.path().join("watchme.toml"), "no_such_setting = 1\n");
    wrong.unwrap();
    let refused = run(folder.path(), &["config"], &[]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("no_such_setting"));
}

#[tokio::test]
async fn commands_for_operation_work() {
    let folder = TempDir::new().unwrap();
    let document = run(folder.path(), &["openapi"], &[]);
    let parsed: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert!(parsed["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(run(folder.path(), &["migrate"], &[]).status.success());
    let address = free_address();
    let listen = [("WATCHME_LISTEN", address.as_str())];
    let down = run(folder.path(), &["healthcheck"], &listen);
    assert_eq!(down.status.code(), Some(1));
    let process = Process::start(folder.path(), &address, &[]);
    ready(&address, Duration::from_secs(20)).await;
    assert!(run(folder.path(), &["healthcheck"], &listen).status.success());
    let (took, in_order) = process.terminate();
    assert!(in_order && took < Duration::from_secs(25), "{took:?}");
}
