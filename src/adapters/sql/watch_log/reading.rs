//! Reading marks.

use sqlx::{Any, QueryBuilder, any::AnyRow};
use watchme_actors::{
    domain::{MovieId, MovieSnapshot, Page, PageRequest, Timestamp, UserId, WatchedMark},
    ports::{History, MarkFilter, StoreError},
};

use super::plays::plays_from;
use crate::adapters::sql::{
    SqlStore,
    dialect::Dialect,
    errors::Db,
    rows::{get, json, movie_id, number, offset, time},
};

pub(in crate::adapters::sql) const ONE: &str = "SELECT movie_id, title, genres, watched_at,
    marked_at, marked_seq, plays FROM marks WHERE user_id = ? AND movie_id = ?";

pub(in crate::adapters::sql) const WATCHED_AT: &str =
    "SELECT watched_at FROM marks WHERE user_id = ? AND movie_id = ?";

pub(in crate::adapters::sql) const WATCHED: &str =
    "SELECT movie_id FROM marks WHERE user_id = ? ORDER BY movie_id";

pub(in crate::adapters::sql) const HISTORY: &str = "SELECT u.watch_seq,
        m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq
     FROM users u LEFT JOIN marks m ON m.user_id = u.id WHERE u.id = ?";

/// A mark without its plays.
fn bare_mark_from(row: &AnyRow) -> Result<WatchedMark, StoreError> {
    Ok(WatchedMark {
        movie: MovieSnapshot {
            id: movie_id(row, "movie_id")?,
            title: get(row, "title")?,
            genres: json(row, "genres")?,
        },
        watched_at: time(row, "watched_at")?,
        marked_at: time(row, "marked_at")?,
        marked_seq: number(row, "marked_seq")?,
        plays: Vec::new(),
    })
}

pub(super) fn mark_from(row: &AnyRow) -> Result<WatchedMark, StoreError> {
    Ok(WatchedMark { plays: plays_from(row)?, ..bare_mark_from(row)? })
}

pub(super) async fn mark_of(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
) -> Result<Option<WatchedMark>, StoreError> {
    let row = store
        .read(|mut tx| async move {
            sqlx::query(ONE)
                .bind(user.to_string())
                .bind(i64::from(movie))
                .fetch_optional(&mut *tx)
                .await
                .db()
        })
        .await?;
    row.map(|row| mark_from(&row)).transpose()
}

pub(super) async fn watched_at(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
) -> Result<Option<Timestamp>, StoreError> {
    let row = store
        .read(|mut tx| async move {
            sqlx::query(WATCHED_AT)
                .bind(user.to_string())
                .bind(i64::from(movie))
                .fetch_optional(&mut *tx)
                .await
                .db()
        })
        .await?;
    row.map(|row| time(&row, "watched_at")).transpose()
}

fn push_filter(query: &mut QueryBuilder<Any>, dialect: Dialect, user: UserId, filter: &MarkFilter) {
    query.push(" WHERE m.user_id = ").push_bind(user.to_string());
    if let Some(from) = filter.from {
        query.push(" AND m.watched_at >= ").push_bind(from.as_millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND m.watched_at < ").push_bind(to.as_millis());
    }
    if let Some(genre) = filter.genre {
        let (before, after) = dialect.has_genre();
        query.push(" AND ").push(before).push_bind(i64::from(genre)).push(after);
    }
}

/// The statement of one page of marks.
pub(in crate::adapters::sql) fn page_query(
    dialect: Dialect,
    user: UserId,
    filter: &MarkFilter,
    page: PageRequest,
) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new(
        "SELECT m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq, m.plays
         FROM marks m",
    );
    push_filter(&mut query, dialect, user, filter);
    query.push(" ORDER BY m.watched_at DESC, m.marked_seq DESC LIMIT ");
    query.push_bind(i64::from(page.size())).push(" OFFSET ").push_bind(offset(page));
    query
}

/// The statement that counts what a filter lets through.
pub(in crate::adapters::sql) fn count_query(
    dialect: Dialect,
    user: UserId,
    filter: &MarkFilter,
) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new("SELECT COUNT(*) AS total FROM marks m");
    push_filter(&mut query, dialect, user, filter);
    query
}

pub(super) async fn marks(
    store: &SqlStore,
    user: UserId,
    filter: &MarkFilter,
    page: PageRequest,
) -> Result<Page<WatchedMark>, StoreError> {
    store
        .snapshot(|mut tx| async move {
            let mut count = count_query(store.dialect, user, filter);
            let count = count.build().fetch_one(&mut *tx).await.db()?;
            let mut rows = page_query(store.dialect, user, filter, page);
            let rows = rows.build().fetch_all(&mut *tx).await.db()?;
            let items = rows.iter().map(mark_from).collect::<Result<_, _>>()?;
            Ok(Page { items, total_items: number(&count, "total")?, request: page })
        })
        .await
}

pub(super) async fn watched_movies(
    store: &SqlStore,
    user: UserId,
) -> Result<Vec<MovieId>, StoreError> {
    let rows = store
        .read(|mut tx| async move {
            sqlx::query(WATCHED).bind(user.to_string()).fetch_all(&mut *tx).await.db()
        })
        .await?;
    rows.iter().map(|row| movie_id(row, "movie_id")).collect()
}

pub(super) async fn history(store: &SqlStore, user: UserId) -> Result<Option<History>, StoreError> {
    // One statement is one snapshot on every engine.
    let rows = store
        .read_on(|mut tx| async move {
            sqlx::query(HISTORY).bind(user.to_string()).fetch_all(&mut *tx).await.db()
        })
        .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let seq = number(first, "watch_seq")?;
    let mut marks = Vec::with_capacity(rows.len());
    for row in &rows {
        // A user who has marked nothing comes as one row without a mark.
        if get::<Option<i64>>(row, "movie_id")?.is_some() {
            marks.push(bare_mark_from(row)?);
        }
    }
    Ok(Some(History { seq, marks }))
}
