//! Reading marks.

use std::collections::HashMap;

use sqlx::{Any, AnyConnection, QueryBuilder, any::AnyRow};
use watchme_actors::{
    domain::{MovieId, MovieSnapshot, Page, PageRequest, Play, Timestamp, UserId, WatchedMark},
    ports::{History, MarkFilter, StoreError},
};

use super::plays::{play_from, plays_of};
use crate::adapters::sql::{
    SqlStore,
    dialect::Dialect,
    errors::Db,
    rows::{get, json, movie_id, number, offset, time},
};

pub(in crate::adapters::sql) const ONE: &str = "SELECT movie_id, title, genres, watched_at,
    marked_at, marked_seq FROM marks WHERE user_id = ? AND movie_id = ?";

pub(in crate::adapters::sql) const WATCHED_AT: &str =
    "SELECT watched_at FROM marks WHERE user_id = ? AND movie_id = ?";

pub(in crate::adapters::sql) const WATCHED: &str =
    "SELECT movie_id FROM marks WHERE user_id = ? ORDER BY movie_id";

pub(in crate::adapters::sql) const HISTORY: &str = "SELECT u.watch_seq,
        m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq
     FROM users u LEFT JOIN marks m ON m.user_id = u.id WHERE u.id = ?";

/// A mark without its plays.
pub(super) fn mark_from(row: &AnyRow) -> Result<WatchedMark, StoreError> {
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

pub(super) async fn mark_of(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
) -> Result<Option<WatchedMark>, StoreError> {
    store
        .snapshot(|mut tx| async move {
            let row = sqlx::query(ONE)
                .bind(user.to_string())
                .bind(i64::from(movie))
                .fetch_optional(&mut *tx)
                .await
                .db()?;
            let Some(row) = row else { return Ok(None) };
            let plays = plays_of(&mut tx, user, movie).await?;
            Ok(Some(WatchedMark { plays, ..mark_from(&row)? }))
        })
        .await
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
        "SELECT m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq
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

/// The statement that asks for the plays of marks.
pub(in crate::adapters::sql) fn plays_query(
    user: UserId,
    marks: &[WatchedMark],
) -> QueryBuilder<Any> {
    let mut query =
        QueryBuilder::new("SELECT movie_id, id, watched_at, day_only FROM plays WHERE user_id = ");
    query.push_bind(user.to_string()).push(" AND movie_id IN (");
    let mut list = query.separated(", ");
    for mark in marks {
        list.push_bind(i64::from(mark.movie.id));
    }
    query.push(") ORDER BY movie_id, watched_at DESC, id DESC");
    query
}

pub(super) async fn marks(
    store: &SqlStore,
    user: UserId,
    filter: &MarkFilter,
    page: PageRequest,
) -> Result<Page<WatchedMark>, StoreError> {
    // One snapshot: a mark whose plays went between the statements would have none.
    store
        .snapshot(|mut tx| async move {
            let mut count = count_query(store.dialect, user, filter);
            let count = count.build().fetch_one(&mut *tx).await.db()?;
            let mut rows = page_query(store.dialect, user, filter, page);
            let rows = rows.build().fetch_all(&mut *tx).await.db()?;
            let mut items: Vec<WatchedMark> =
                rows.iter().map(mark_from).collect::<Result<_, _>>()?;
            if !items.is_empty() {
                add_plays(&mut tx, user, &mut items).await?;
            }
            Ok(Page { items, total_items: number(&count, "total")?, request: page })
        })
        .await
}

async fn add_plays(
    conn: &mut AnyConnection,
    user: UserId,
    marks: &mut [WatchedMark],
) -> Result<(), StoreError> {
    let mut query = plays_query(user, marks);
    let rows = query.build().persistent(false).fetch_all(conn).await.db()?;
    let mut plays: HashMap<MovieId, Vec<Play>> = HashMap::with_capacity(marks.len());
    for row in &rows {
        plays.entry(movie_id(row, "movie_id")?).or_default().push(play_from(row)?);
    }
    for mark in marks {
        mark.plays = plays.remove(&mark.movie.id).unwrap_or_default();
    }
    Ok(())
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
            marks.push(mark_from(row)?);
        }
    }
    Ok(Some(History { seq, marks }))
}
