//! `watchme admin create`: the real binary, on what the service keeps.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use crate::support::{TestApp, app::ADMIN_EMAIL};

/// Runs the command on what a service keeps.
async fn create(app: &TestApp, arguments: &[&str], stdin: &str) -> Output {
    let engines = app.backend().iter().flat_map(|backend| backend.settings()).collect::<Vec<_>>();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchme"));
    command
        .args(["admin", "create"])
        .args(arguments)
        .env_clear()
        .env("WATCHME_DATA_DIR", app.folder())
        .env("WATCHME_EMAIL_VERIFICATION", "off")
        .env("RUST_LOG", "off")
        .envs(engines)
        .current_dir(app.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // Nobody reads it where the password is made up.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_admin_is_made_with_a_password_that_is_shown_once() {
    let mut app = TestApp::start().await;
    if app.backend().is_none() {
        // The data folder is the service's while it runs.
        let refused = create(&app, &["root@example.com"], "").await;
        assert!(!refused.status.success());
        let told = text(&refused.stderr);
        assert!(told.contains("is used by another process"), "{told}");
        app.stop();
    }
    let made = create(&app, &["Root@example.com", "--name", "Root"], "").await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let told = text(&made.stdout);
    let password = told.strip_prefix("admin account made: root@example.com\npassword: ").unwrap();
    let password = password.trim_end();
    assert!(password.len() >= 20, "{told}");

    let given =
        create(&app, &["second@example.com", "--password-stdin"], "a long secret\r\n").await;
    assert_eq!(text(&given.stdout), "admin account made: second@example.com\n");
    for (arguments, stdin, reason) in [
        (&[ADMIN_EMAIL][..], "", "there is an account with the address admin@watchme.example"),
        (&["third@example.com", "--password-stdin"], "password\n", "the password must not be"),
        (&["third@example.com", "--password-stdin"], "third@example.com\n", "the password must"),
        (&["third@example.com", "--password-stdin"], "", "at least 8 characters"),
    ] {
        let refused = create(&app, arguments, stdin).await;
        let told = text(&refused.stderr);
        assert!(!refused.status.success() && told.contains(reason), "{told}");
        assert!(refused.stdout.is_empty() && told.lines().count() == 1, "{told}");
    }

    let app = app.restart().await;
    let root = app.client.login("root@example.com", password).await;
    let me = root.get("/users/me").await.expect(200);
    assert_eq!((&me["name"], &me["role"]), (&"Root".into(), &"admin".into()));
    app.client.login("second@example.com", "a long secret").await;
    let path = format!("/admin/audit?subject={}", root.id);
    let entry = root.get(&path).await.data().remove(0);
    assert_eq!(
        (&entry["origin"], &entry["action"]),
        (&"command".into(), &"account.created".into())
    );
    assert_eq!(entry["after"]["role"], "admin");
    assert!(entry["actor"].is_null() && entry["address"].is_null());
    assert!(!entry.to_string().contains(password));
}
