//! What every change of a user's marks does: lock, number, event.

use sqlx::AnyConnection;
use watchme_actors::{
    domain::{
        Entitlement, EntitlementMode, EventId, GenreSet, LastFilm, MarkedMovie, MovieId,
        MovieSnapshot, Timestamp, UserId, WatchChange, WatchEvent, WatchedMark,
    },
    ports::{StoreError, WatchError},
};

use super::reading::mark_from;
use crate::adapters::sql::{
    dialect::{Dialect, for_share, for_update},
    errors::Db,
    outbox,
    rows::{get, json, movie_id, number, signed, time},
    work::Tx,
};

/// The index on marks gives it with one step.
pub(in crate::adapters::sql) const LAST_FILM: &str = "SELECT movie_id, title FROM marks
    WHERE user_id = ? ORDER BY watched_at DESC, marked_seq DESC LIMIT 1";

/// The genres of what a user holds at a moment. Binds: user, moment, moment. The package is locked
/// before its version is looked for, hence the order (a comment to engines that do not know it):
/// the version that an edit made while this waited is there when it goes on.
pub(in crate::adapters::sql) fn entitlement_sql(dialect: Dialect) -> &'static str {
    for_share!(
        dialect,
        "SELECT /*+ JOIN_FIXED_ORDER() */ v.genres FROM subscriptions s
         JOIN packages p ON p.id = s.package_id
         JOIN package_versions v ON v.package_id = p.id AND v.version =
            CASE WHEN s.version > p.floor_version THEN s.version ELSE p.floor_version END
         WHERE s.user_id = ? AND s.ends_at > ? AND s.starts_at <= ?"
    )
}

/// A user whose row this transaction has locked, and the mark of one movie, without its plays.
pub(super) struct Locked {
    pub(super) user: UserId,
    pub(super) movie: MovieId,
    pub(super) seq: u64,
    pub(super) cancelled_at: Timestamp,
    pub(super) mark: Option<WatchedMark>,
}

/// A user's row and the mark of one movie. Binds: movie, user.
pub(in crate::adapters::sql) fn lock_sql(dialect: Dialect) -> &'static str {
    for_update!(
        dialect,
        "SELECT u.watch_seq, u.cancelled_at,
            m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq
         FROM users u LEFT JOIN marks m ON m.user_id = u.id AND m.movie_id = ?
         WHERE u.id = ?"
    )
}

/// Locks a user's row; everything else that changes the user's marks or subscriptions waits.
pub(super) async fn lock(
    conn: &mut AnyConnection,
    dialect: Dialect,
    user: UserId,
    movie: MovieId,
) -> Result<Locked, WatchError> {
    let row = sqlx::query(lock_sql(dialect))
        .bind(i64::from(movie))
        .bind(user.to_string())
        .fetch_optional(conn)
        .await
        .db()?
        .ok_or(WatchError::UserNotFound)?;
    let marked: Option<i64> = get(&row, "movie_id")?;
    Ok(Locked {
        user,
        movie,
        seq: number(&row, "watch_seq")?,
        cancelled_at: time(&row, "cancelled_at")?,
        mark: marked.map(|_| mark_from(&row)).transpose()?,
    })
}

/// What the user may see at a moment.
pub(super) async fn entitlement(
    conn: &mut AnyConnection,
    dialect: Dialect,
    user: UserId,
    at: Timestamp,
    mode: EntitlementMode,
) -> Result<Entitlement, StoreError> {
    let rows = sqlx::query(entitlement_sql(dialect))
        .bind(user.to_string())
        .bind(at.as_millis())
        .bind(at.as_millis())
        .fetch_all(conn)
        .await
        .db()?;
    let mut genres = Vec::new();
    for row in &rows {
        genres.extend(json::<GenreSet>(row, "genres")?.iter());
    }
    Ok(Entitlement { genres: genres.into(), mode })
}

/// The kinds of change that [`record`] makes events of.
pub(super) enum Kind {
    Marked(Timestamp),
    Unmarked,
    Updated(Timestamp),
}

impl Locked {
    /// The number that the next change takes.
    pub(super) fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Takes the next number and writes the event of a change that is in the tables already.
    pub(super) async fn record(
        &self,
        tx: &mut Tx,
        movie: &MovieSnapshot,
        kind: Kind,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let user = self.user.to_string();
        sqlx::query("UPDATE users SET watch_seq = ?, watch_changed_at = ? WHERE id = ?")
            .bind(signed(self.next_seq())?)
            .bind(now.as_millis())
            .bind(user.as_str())
            .execute(&mut **tx)
            .await
            .db()?;
        let last = sqlx::query(LAST_FILM).bind(user).fetch_optional(&mut **tx).await.db()?;
        let last_film = last
            .map(|row| {
                Ok::<_, StoreError>(LastFilm {
                    movie_id: movie_id(&row, "movie_id")?,
                    movie_name: get(&row, "title")?,
                })
            })
            .transpose()?;
        let movie = MarkedMovie {
            movie_id: movie.id,
            movie_name: movie.title.clone(),
            genre_ids: movie.genres.clone(),
        };
        let change = match kind {
            Kind::Marked(watched_at) => WatchChange::Marked { movie, watched_at, last_film },
            Kind::Unmarked => WatchChange::Unmarked { movie, last_film },
            Kind::Updated(watched_at) => WatchChange::Updated { movie, watched_at, last_film },
        };
        let event = WatchEvent {
            id: EventId::generate(),
            user_id: self.user,
            seq: self.next_seq(),
            at: now,
            change,
        };
        outbox::insert(tx, &event).await
    }

    /// Moves the mark to another `watched_at` with its event, unless it is there already.
    pub(super) async fn move_mark(
        &self,
        tx: &mut Tx,
        mark: &WatchedMark,
        watched_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if mark.watched_at == watched_at {
            return Ok(());
        }
        sqlx::query("UPDATE marks SET watched_at = ? WHERE user_id = ? AND movie_id = ?")
            .bind(watched_at.as_millis())
            .bind(self.user.to_string())
            .bind(i64::from(self.movie))
            .execute(&mut **tx)
            .await
            .db()?;
        self.record(tx, &mark.movie, Kind::Updated(watched_at), now).await
    }

    /// Removes the mark, with its genres and plays by the schema's references, and its event.
    pub(super) async fn remove_mark(
        &self,
        tx: &mut Tx,
        mark: &WatchedMark,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM marks WHERE user_id = ? AND movie_id = ?")
            .bind(self.user.to_string())
            .bind(i64::from(self.movie))
            .execute(&mut **tx)
            .await
            .db()?;
        self.record(tx, &mark.movie, Kind::Unmarked, now).await
    }
}
