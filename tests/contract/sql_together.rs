//! Marks that come together, and are made together.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, MySqlConnection, raw_sql};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use watchme::adapters::sql::SqlStore;
use watchme_actors::{
    domain::{GenreId, MovieSnapshot, PageRequest, Timestamp, UserId, WatchChange, WatchEvent},
    ports::{
        Accounts, MarkFilter, MarkMovie, NewPackage, NewSubscription, Outbox, Packages,
        Subscriptions, WatchError, WatchLog,
    },
};

use crate::{
    sql::{CreateAccount, mark_request, open, settings},
    support::mysql::TestDatabase,
};

const USERS: usize = 40;
const MOVIES: i64 = 5;

/// Users who may mark movies of [`mark_request`].
async fn subscribers(store: &SqlStore) -> Vec<UserId> {
    let now = Timestamp::now();
    let genres: Vec<_> = [18].map(|id| GenreId::try_from(id).unwrap()).into();
    let name = "Classics".parse().unwrap();
    let package = NewPackage { name, genres: genres.into(), created_by: None, now };
    let package = Packages::create(store, package, None).await.unwrap().into_inner();
    let mut users = Vec::new();
    for n in 0..USERS {
        let user = store.create_account(&format!("user{n}"), now).await.id;
        let held =
            NewSubscription { user, package: package.id, starts_at: now, ends_at: None, now };
        store.subscribe(held, None).await.unwrap();
        users.push(user);
    }
    users
}

/// What nobody may mark here.
fn unwanted(user: UserId) -> MarkMovie {
    let request = mark_request(user, 900);
    let genres = vec![GenreId::try_from(27).unwrap()].into();
    let movie = request.movie.map(|movie| MovieSnapshot { genres, ..movie });
    MarkMovie { movie, ..request }
}

#[tokio::test]
async fn each_is_made_as_if_it_came_alone() {
    let folder = TempDir::new().unwrap();
    as_if_alone(&open(folder.path()).await).await;
}

#[tokio::test]
async fn on_mysql_each_is_made_as_if_it_came_alone() {
    let Some(database) = TestDatabase::fresh().await else { return };
    as_if_alone(&database.store().await).await;
}

async fn as_if_alone(store: &SqlStore) {
    let users = subscribers(store).await;
    // Everybody marks some movies, each twice at once, and what they may not.
    let marks = users.iter().flat_map(|user| (1..=MOVIES).map(move |movie| (*user, movie)));
    let marks = join_all(marks.flat_map(|it| [it, it]).map(async |(user, movie)| {
        let marked = store.mark(mark_request(user, movie)).await.unwrap();
        assert_eq!(i64::from(marked.mark.movie.id), movie);
        assert_eq!(marked.mark.plays.len(), 1);
        ((user, movie), marked.created)
    }));
    let refused = join_all(users.iter().map(async |user| {
        let outcome = store.mark(unwanted(*user)).await;
        assert!(matches!(outcome, Err(WatchError::NotEntitled)), "{outcome:?}");
        let unknown = MarkMovie { movie: None, ..mark_request(*user, 901) };
        let outcome = store.mark(unknown).await;
        assert!(matches!(outcome, Err(WatchError::MovieRequired)), "{outcome:?}");
        let outcome = store.mark(mark_request(UserId::generate(), 1)).await;
        assert!(matches!(outcome, Err(WatchError::UserNotFound)), "{outcome:?}");
    }));
    let (marks, _) = tokio::join!(marks, refused);
    let mut made = BTreeMap::new();
    for (mark, created) in marks {
        *made.entry(mark).or_insert(0) += u32::from(created);
    }
    assert!(made.values().all(|created| *created == 1), "{made:?}");

    // What is marked already is not made again, by itself or among others.
    let again = store.mark(mark_request(users[0], 1)).await.unwrap();
    assert!(!again.created);
    let again = users.iter().flat_map(|user| (1..=MOVIES).map(|movie| (*user, movie)));
    let again = again.map(|(user, movie)| store.mark(mark_request(user, movie)));
    assert!(join_all(again).await.into_iter().all(|marked| !marked.unwrap().created));

    let mut told = BTreeMap::<UserId, Vec<WatchEvent>>::new();
    for row in store.unpublished(10_000).await.unwrap() {
        told.entry(row.user_id).or_default().push(serde_json::from_str(&row.payload).unwrap());
    }
    assert_eq!(told.len(), USERS);
    for user in users {
        let history = store.history(user).await.unwrap().unwrap();
        assert_eq!((history.seq, history.marks.len() as i64), (MOVIES as u64, MOVIES));
        let seqs: Vec<u64> = told[&user].iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=MOVIES as u64).collect::<Vec<_>>(), "in order, none missing");
        let latest = history.marks.iter().max_by_key(|mark| (mark.watched_at, mark.marked_seq));
        let last = told[&user].last().and_then(|event| match &event.change {
            WatchChange::Marked { last_film, .. } => last_film.clone(),
            _ => None,
        });
        assert_eq!(last.map(|film| film.movie_id), latest.map(|mark| mark.movie.id));
        for mark in history.marks {
            let whole = store.mark_of(user, mark.movie.id).await.unwrap().unwrap();
            assert_eq!(whole.plays.len(), 1);
            let page = PageRequest::default();
            let filter = MarkFilter { genre: 18.try_into().ok(), ..Default::default() };
            let listed = store.marks(user, &filter, page).await.unwrap();
            assert_eq!(listed.total_items, MOVIES as u64, "with its genres");
        }
    }
}

/// Events that come between the search for a user's and the deletion go as well.
#[tokio::test]
async fn what_a_deleted_user_marks_meanwhile_is_deleted() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    deletion_races_marks(&store, &settings(folder.path()).url).await;
}

#[tokio::test]
async fn on_mysql_what_a_deleted_user_marks_meanwhile_is_deleted() {
    let Some(database) = TestDatabase::fresh().await else { return };
    deletion_races_marks(&database.store().await, &database.settings().url).await;
}

async fn deletion_races_marks(store: &SqlStore, url: &str) {
    let mut made = 0;
    let mut database = AnyConnection::connect(url).await.unwrap();
    for (round, user) in (0..).zip(subscribers(store).await) {
        let marking = async {
            let mut made = 0;
            for movie in 1..=20 {
                made += usize::from(store.mark(mark_request(user, movie)).await.is_ok());
            }
            made
        };
        let deleting = async {
            // At another moment of the marking in each round.
            tokio::time::sleep(Duration::from_micros(round * 200)).await;
            store.delete(user, Timestamp::now()).await.unwrap();
        };
        made += tokio::join!(marking, deleting).0;
        let left: Vec<String> = sqlx::query_scalar("SELECT kind FROM outbox WHERE user_id = ?")
            .bind(user.to_string())
            .fetch_all(&mut database)
            .await
            .unwrap();
        assert_eq!(left, ["erased"], "round {round}");
    }
    assert!((1..USERS * 20).contains(&made), "nothing was raced: {made} were made");
}

/// Whoever holds a user's row for long, as another replica may.
#[tokio::test]
async fn nobody_waits_for_another_users_row() {
    let Some(database) = TestDatabase::fresh().await else { return };
    let store = database.store().await;
    let users = subscribers(&store).await;
    let (held, others) = users.split_first().unwrap();
    let mut holder = MySqlConnection::connect(database.url().as_str()).await.unwrap();
    let hold = format!("START TRANSACTION; SELECT 1 FROM users WHERE id = '{held}' FOR UPDATE");
    raw_sql(AssertSqlSafe(hold)).execute(&mut holder).await.unwrap();

    let waiting = store.mark(mark_request(*held, 1));
    let mut waiting = std::pin::pin!(waiting);
    let marked = join_all(others.iter().map(|user| store.mark(mark_request(*user, 1))));
    // Shorter than the server lets anybody wait for a lock.
    let marked = tokio::time::timeout(Duration::from_millis(900), marked);
    let marked = tokio::select! {
        biased;
        _ = &mut waiting => panic!("the row is held"),
        marked = marked => marked.expect("they do not wait"),
    };
    assert!(marked.into_iter().all(|marked| marked.unwrap().created));
    raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    assert!(waiting.await.unwrap().created);
}

#[test]
fn who_was_at_it_may_go_away() {
    let outer = Runtime::new().unwrap();
    let folder = TempDir::new().unwrap();
    let store = outer.block_on(open(folder.path()));
    let users = outer.block_on(subscribers(&store));
    for turns in 1..=60 {
        // Its thread stops at every step of making the marks.
        let inner = Builder::new_current_thread().enable_all().build().unwrap();
        let request = mark_request(users[0], turns);
        inner.block_on(async {
            tokio::select! {
                biased;
                () = async { for _ in 0..turns { tokio::task::yield_now().await; } } => {}
                marked = store.mark(request) => { marked.unwrap(); }
            }
        });
        drop(inner);
        let next = store.mark(mark_request(users[1], turns));
        let next = async { tokio::time::timeout(Duration::from_secs(5), next).await };
        assert!(outer.block_on(next).expect("nobody is waited for").unwrap().created);
    }
    for user in &users[..2] {
        let history = outer.block_on(store.history(*user)).unwrap().unwrap();
        assert_eq!(history.seq, history.marks.len() as u64);
    }
}
