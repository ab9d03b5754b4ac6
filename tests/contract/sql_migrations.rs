//! What earlier versions have stored is there after the migrations to this one.

use std::path::Path;

use sqlx::{
    AnyConnection, AssertSqlSafe, Connection, any::install_default_drivers, migrate::Migrator,
    raw_sql,
};
use tempfile::TempDir;
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_actors::{
    domain::{MovieSnapshot, PageRequest, Precision, Timestamp, UserId, WatchedMark},
    ports::{MarkFilter, WatchLog},
};

use crate::{sql, support::mysql::TestDatabase};

const USER: &str = "01980000-0000-7000-8000-000000000001";

/// Brings an empty database to a version, and puts rows in.
async fn filled(url: &str, folder: &str, version: i64, rows: &'static str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let migrations = Migrator::new(folder).await.unwrap();
    migrations.run_to(version, &mut connection).await.unwrap();
    raw_sql(rows).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn migrated(settings: &SqlSettings) -> SqlStore {
    let store = SqlStore::open(settings).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// Two marks; the first has three plays, two of them of the same moment.
const MARKS_WITH_A_TABLE_OF_PLAYS: &str = "
    INSERT INTO users (id, email, name, name_key, role, status, password_hash, created_at, updated_at)
    VALUES ('01980000-0000-7000-8000-000000000001', 'a@example.com', 'A', 'a', 'user', 'active', '', 1, 1);
    INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq)
    VALUES ('01980000-0000-7000-8000-000000000001', 550, 'Fight Club', '[18]', 2000, 1, 1),
        ('01980000-0000-7000-8000-000000000001', 13, 'Forrest Gump', '[35]', 500, 1, 2);
    INSERT INTO plays (user_id, movie_id, watched_at, id, day_only)
    VALUES ('01980000-0000-7000-8000-000000000001', 550, 1000, '01980000-0000-7000-9000-000000000003', 1),
        ('01980000-0000-7000-8000-000000000001', 550, 2000, '01980000-0000-7000-9000-000000000001', 0),
        ('01980000-0000-7000-8000-000000000001', 550, 2000, '01980000-0000-7000-9000-000000000002', 0),
        ('01980000-0000-7000-8000-000000000001', 13, 500, '01980000-0000-7000-9000-000000000004', 0);";

fn plays(mark: &WatchedMark) -> Vec<(String, i64, Precision)> {
    let play = |it: &watchme_actors::domain::Play| {
        (it.id.to_string(), it.viewing.watched_at.as_millis(), it.viewing.precision)
    };
    mark.plays.iter().map(play).collect()
}

async fn assert_plays_are_there(store: &SqlStore) {
    let user: UserId = USER.parse().unwrap();
    let page = store.marks(user, &MarkFilter::default(), PageRequest::default()).await.unwrap();
    let id = |number: u32| format!("01980000-0000-7000-9000-00000000000{number}");
    let [first, second] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!(
        plays(first),
        [
            (id(2), 2_000, Precision::Second),
            (id(1), 2_000, Precision::Second),
            (id(3), 1_000, Precision::Day)
        ]
    );
    assert_eq!(plays(second), [(id(4), 500, Precision::Second)]);
}

#[tokio::test]
async fn plays_of_an_earlier_file_are_in_their_marks() {
    install_default_drivers();
    let folder = TempDir::new().unwrap();
    let settings = sql::settings(folder.path());
    filled(&settings.url, "sqlite", 7, MARKS_WITH_A_TABLE_OF_PLAYS).await;
    assert_plays_are_there(&migrated(&settings).await).await;
}

#[tokio::test]
async fn plays_of_an_earlier_database_are_in_their_marks() {
    let Some(database) = TestDatabase::fresh().await else { return };
    let settings = database.settings();
    let name = settings.url.rsplit('/').next().unwrap();
    let mut connection = AnyConnection::connect(&settings.url).await.unwrap();
    let anew = format!("DROP DATABASE {name}; CREATE DATABASE {name}");
    raw_sql(AssertSqlSafe(anew)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    filled(&settings.url, "mysql", 5, MARKS_WITH_A_TABLE_OF_PLAYS).await;
    assert_plays_are_there(&migrated(&settings).await).await;
}

const MARKS: &str = r#"
    INSERT INTO users (id, email, name, name_key, role, status, password_hash, created_at, updated_at)
    VALUES ('01980000-0000-7000-8000-000000000001', 'a@example.com', 'A', 'a', 'user', 'active', '', 1, 1),
        ('01980000-0000-7000-8000-000000000002', 'b@example.com', 'B', 'b', 'user', 'active', '', 1, 1);
    INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
    VALUES ('01980000-0000-7000-8000-000000000001', 550, 'Fight Club', '[18,53]', 2000, 4000, 2,
            '[["01980000-0000-7000-9000-000000000001",2000,0]]'),
        ('01980000-0000-7000-8000-000000000001', 13, 'Forrest Gump', '[35]', 3000, 3500, 1,
            '[["01980000-0000-7000-9000-000000000002",3000,1]]'),
        ('01980000-0000-7000-8000-000000000002', 550, 'Fight Club', '[18,53]', 1000, 1000, 1,
            '[["01980000-0000-7000-9000-000000000003",1000,0]]');"#;

#[tokio::test]
async fn marks_of_an_earlier_file_are_as_they_were() {
    install_default_drivers();
    let folder = TempDir::new().unwrap();
    let settings = sql::settings(folder.path());
    filled(&settings.url, "sqlite", 8, MARKS).await;
    let store = migrated(&settings).await;

    let movie = |id: i64, title: &str, genres: &[i64]| MovieSnapshot {
        id: id.try_into().unwrap(),
        title: title.to_owned(),
        genres: genres.iter().map(|id| (*id).try_into().unwrap()).collect(),
    };
    let mark = |movie, seq, [watched, marked]: [i64; 2]| WatchedMark {
        movie,
        watched_at: Timestamp::from_millis(watched),
        marked_at: Timestamp::from_millis(marked),
        marked_seq: seq,
        plays: Vec::new(),
    };
    let of = async |user: &str| {
        let user: UserId = user.parse().unwrap();
        let page = store.marks(user, &MarkFilter::default(), PageRequest::default()).await.unwrap();
        let plays: Vec<_> = page.items.iter().flat_map(plays).map(|(id, ..)| id).collect();
        let without = |mark: WatchedMark| WatchedMark { plays: Vec::new(), ..mark };
        (page.items.into_iter().map(without).collect::<Vec<_>>(), plays)
    };
    let id = |number: u32| format!("01980000-0000-7000-9000-00000000000{number}");
    assert_eq!(
        of(USER).await,
        (
            vec![
                mark(movie(13, "Forrest Gump", &[35]), 1, [3_000, 3_500]),
                mark(movie(550, "Fight Club", &[18, 53]), 2, [2_000, 4_000]),
            ],
            vec![id(2), id(1)]
        )
    );
    assert_eq!(
        of("01980000-0000-7000-8000-000000000002").await,
        (vec![mark(movie(550, "Fight Club", &[18, 53]), 1, [1_000, 1_000])], vec![id(3)])
    );

    let mut connection = AnyConnection::connect(&settings.url).await.unwrap();
    let again =
        "INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq)
        SELECT user_id, movie_id, title, genres, watched_at, marked_at, 9 FROM marks LIMIT 1";
    let refused = raw_sql(again).execute(&mut connection).await.unwrap_err();
    assert!(refused.as_database_error().is_some_and(|it| it.is_unique_violation()), "{refused}");
}
