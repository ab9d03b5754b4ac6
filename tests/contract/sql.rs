//! The SQL adapter over SQLite, in a folder of its own for every case.

use std::{path::Path, sync::Arc};

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_actors::{
    domain::{
        EntitlementMode, GenreId, MovieId, MovieSnapshot, PageRequest, Role, Timestamp, User,
        UserId,
    },
    ports::{
        Accounts, MarkFilter, MarkMovie, NewAccount, NewPackage, NewSubscription, Outbox, Packages,
        Probe, StoreError, Subscriptions, WatchLog,
    },
    testing::SqlPorts,
};

pub(crate) fn settings(folder: &Path) -> SqlSettings {
    SqlSettings::new(format!("sqlite://{}/watchme.db?mode=rwc", folder.display()))
}

pub(crate) async fn open(folder: &Path) -> SqlStore {
    let store = SqlStore::open(&settings(folder)).await.unwrap();
    store.migrate().await.unwrap();
    store
}

async fn fresh() -> SqlPorts {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(open(folder.path()).await);
    SqlPorts {
        accounts: store.clone(),
        sessions: store.clone(),
        packages: store.clone(),
        subscriptions: store.clone(),
        watch_log: store.clone(),
        outbox: store.clone(),
        mail_queue: store.clone(),
        mail_tokens: store.clone(),
        dead_letters: store.clone(),
        lease: store.clone(),
        audit: store.clone(),
        housekeeping: store.clone(),
        throttles: store,
        keep: Box::new(folder),
    }
}

mod accounts {
    watchme_actors::accounts_contract!(super::fresh);
}
mod sessions {
    watchme_actors::sessions_contract!(super::fresh);
}
mod packages {
    watchme_actors::packages_contract!(super::fresh);
}
mod subscriptions {
    watchme_actors::subscriptions_contract!(super::fresh);
}
mod watch_log {
    watchme_actors::watch_log_contract!(super::fresh);
}
mod outbox {
    watchme_actors::outbox_contract!(super::fresh);
}
mod audit {
    watchme_actors::audit_contract!(super::fresh);
}
mod addresses {
    watchme_actors::addresses_contract!(super::fresh);
}
mod mails {
    watchme_actors::mails_contract!(super::fresh);
}
mod leases {
    watchme_actors::leases_contract!(super::fresh);
}
mod throttles {
    watchme_actors::throttles_contract!(super::fresh);
}

pub(crate) fn account(name: &str, now: Timestamp) -> NewAccount {
    NewAccount {
        email: format!("{name}@example.com").parse().unwrap(),
        email_verified: true,
        name: name.parse().unwrap(),
        role: Role::User,
        password_hash: "hash".into(),
        now,
    }
}

/// A user with a subscription and one mark.
pub(crate) async fn watch_something(store: &SqlStore) -> (User, MovieId) {
    let now = Timestamp::now();
    let user = store.create_account("ada", now).await;
    let genres: Vec<_> = [18].map(|id| GenreId::try_from(id).unwrap()).into();
    let package = NewPackage {
        name: "Classics".parse().unwrap(),
        genres: genres.into(),
        created_by: Some(user.id),
        now,
    };
    let package = Packages::create(store, package, None).await.unwrap().into_inner();
    let held =
        NewSubscription { user: user.id, package: package.id, starts_at: now, ends_at: None, now };
    store.subscribe(held, None).await.unwrap();
    let marked = store.mark(mark_request(user.id, 550)).await.unwrap();
    (user, marked.mark.movie.id)
}

/// A movie that every user of [`watch_something`] may mark.
pub(crate) fn mark_request(user: UserId, id: i64) -> MarkMovie {
    let movie_id = MovieId::try_from(id).unwrap();
    let genres = vec![GenreId::try_from(18).unwrap()].into();
    MarkMovie {
        user,
        movie_id,
        movie: Some(MovieSnapshot { id: movie_id, title: format!("Movie {id}"), genres }),
        viewing: None,
        mode: EntitlementMode::Any,
        now: Timestamp::now(),
    }
}

pub(crate) trait CreateAccount {
    async fn create_account(&self, name: &str, now: Timestamp) -> User;
}

impl CreateAccount for SqlStore {
    async fn create_account(&self, name: &str, now: Timestamp) -> User {
        Accounts::create(self, account(name, now), None).await.unwrap().into_inner()
    }
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, movie) = watch_something(&store).await;
    let mark = store.mark_of(user.id, movie).await.unwrap();
    let waiting = store.unpublished(10).await.unwrap();
    let held = store.holdings(user.id, Timestamp::now()).await.unwrap();
    assert_eq!((mark.is_some(), waiting.len(), held.len()), (true, 1, 1));
    store.close().await;

    let store = open(folder.path()).await;
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.mark_of(user.id, movie).await.unwrap(), mark);
    assert_eq!(store.unpublished(10).await.unwrap(), waiting);
    assert_eq!(store.holdings(user.id, Timestamp::now()).await.unwrap(), held);
}

#[tokio::test]
async fn what_was_committed_is_there_without_a_close() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, movie) = watch_something(&store).await;
    // Another process would see what this one sees now, had the first died after the answer.
    let other = open(folder.path()).await;
    assert!(other.mark_of(user.id, movie).await.unwrap().is_some());
    let page = PageRequest::default();
    let marks = other.marks(user.id, &MarkFilter::default(), page).await.unwrap();
    assert_eq!(marks.total_items, 1);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_row() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    store.delete(user.id, Timestamp::now()).await.unwrap();
    store.close().await;
    assert_no_row_left(&settings(folder.path()).url).await;
}

/// After the only user was deleted, who had made the only package.
pub(crate) async fn assert_no_row_left(url: &str) {
    let mut database = AnyConnection::connect(url).await.unwrap();
    for (statement, left) in [
        ("SELECT COUNT(*) FROM users", 0),
        ("SELECT COUNT(*) FROM subscriptions", 0),
        ("SELECT COUNT(*) FROM marks", 0),
        ("SELECT COUNT(*) FROM idempotency_keys", 0),
        ("SELECT COUNT(*) FROM outbox WHERE kind <> 'erased'", 0),
        ("SELECT COUNT(*) FROM packages WHERE created_by IS NULL", 1),
    ] {
        let count: i64 = sqlx::query_scalar(statement).fetch_one(&mut database).await.unwrap();
        assert_eq!(count, left, "{statement}");
    }
}

#[tokio::test]
async fn strange_rows_are_an_error_and_no_panic() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, movie) = watch_something(&store).await;
    let file = sqlx::any::AnyPoolOptions::new()
        .max_connections(1)
        .connect(&settings(folder.path()).url)
        .await
        .unwrap();
    for damage in [
        "UPDATE users SET role = 'emperor', created_at = 'yesterday'",
        "UPDATE marks SET genres = '[0, -5, \"x\"]', marked_seq = -1",
        "UPDATE marks SET plays = '[[\"no uuid\", 1, 0]]'",
        "UPDATE outbox SET event_id = x'ff00'",
        "UPDATE package_versions SET name = ' '",
    ] {
        sqlx::query(damage).execute(&file).await.unwrap();
    }
    let corrupt = |error| matches!(error, Some(StoreError::Corrupt { .. }));
    assert!(corrupt(store.user(user.id).await.err()));
    assert!(corrupt(store.mark_of(user.id, movie).await.err()));
    assert!(corrupt(store.history(user.id).await.err()));
    assert!(corrupt(store.unpublished(10).await.err()));
    assert!(corrupt(store.holdings(user.id, Timestamp::now()).await.err()));
}

#[tokio::test]
async fn a_store_that_cannot_be_used_says_so() {
    let folder = TempDir::new().unwrap();
    let unavailable = |error| matches!(error, Some(StoreError::Unavailable { .. }));
    for url in ["sqlite:///no/such/folder/watchme.db", "sqlite::memory:", "redis://x", "nonsense"] {
        assert!(unavailable(SqlStore::open(&SqlSettings::new(url)).await.err()), "{url}");
    }
    let garbage = folder.path().join("watchme.db");
    std::fs::write(&garbage, [42; 8192]).unwrap();
    let opened = SqlStore::open(&settings(folder.path())).await;
    assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
    std::fs::remove_file(garbage).unwrap();

    let store = open(folder.path()).await;
    store.check().await.unwrap();
    store.close().await;
    assert!(unavailable(store.check().await.err()));
    assert!(unavailable(store.backlog().await.err()));
}

#[tokio::test]
async fn a_writer_that_does_not_come_to_its_turn_is_told_so() {
    let folder = TempDir::new().unwrap();
    let impatient =
        SqlSettings { acquire_timeout: std::time::Duration::ZERO, ..settings(folder.path()) };
    drop(open(folder.path()).await);
    // Opening needs a connection too, and has no time for it.
    let refused = SqlStore::open(&impatient).await.err();
    assert!(matches!(refused, Some(StoreError::Unavailable { store: "sql", .. })));
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let user = store.create_account("ada", Timestamp::now()).await;
    store.migrate().await.unwrap();
    assert_eq!(store.user(user.id).await.unwrap(), Some(user));
}

#[tokio::test]
async fn requests_that_are_given_up_leave_the_store_whole() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    // Given up after more and more turns, so at every step of the transaction.
    for turns in 0..400 {
        let patience = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = patience => {}
            marked = store.mark(mark_request(user.id, 1_000 + turns)) => { marked.unwrap(); }
        }
    }
    store.mark(mark_request(user.id, 1)).await.unwrap();
    assert_whole(&store, user.id).await;
}

/// Every mark of a user who only marked has its number, its event and its play.
pub(crate) async fn assert_whole(store: &SqlStore, user: UserId) {
    let history = store.history(user).await.unwrap().unwrap();
    assert_eq!(history.seq, history.marks.len() as u64);
    let events = store.unpublished(10_000).await.unwrap();
    assert_eq!(events.len(), history.marks.len());
    for mark in history.marks {
        let whole = store.mark_of(user, mark.movie.id).await.unwrap().unwrap();
        assert_eq!(whole.plays.len(), 1);
    }
}

/// A path is a path: its dots, blanks and percent signs are not read as those of a URL.
#[tokio::test]
async fn the_file_is_where_its_path_says() {
    let folder = TempDir::new().unwrap();
    for name in ["with blank", "a%20b", "what?", "a#b", "ä"] {
        let inner = folder.path().join(name);
        std::fs::create_dir_all(inner.join("deeper")).unwrap();
        let file = inner.join("deeper").join("..").join("watchme.db");
        let store = SqlStore::open(&SqlSettings::file(&file).unwrap()).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        assert!(inner.join("watchme.db").is_file(), "{name}");
    }
    assert!(SqlSettings::file(&folder.path().join("missing").join("watchme.db")).is_err());
}
