//! What every change of a user's marks does: lock, number, event.

use serde::Deserialize;
use sqlx::any::AnyRow;
use watchme_actors::{
    domain::{
        Entitlement, EntitlementMode, EventId, GenreSet, LastFilm, MarkedMovie, MovieId,
        MovieSnapshot, Play, Timestamp, UserId, WatchChange, WatchEvent, WatchedMark,
    },
    ports::{StoreError, WatchError},
};

use super::{plays::to_column, reading::mark_from};
use crate::adapters::sql::{
    batch::{Answers, Batch},
    dialect::{Dialect, for_share, for_update},
    errors::corrupt,
    outbox,
    rows::{get, json, movie_id, number, optional_json, signed, time},
    work::Tx,
};

/// The latest two marks of a user: that of one movie, and so the latest of all others, is among
/// them. The index on marks gives them in two steps.
pub(in crate::adapters::sql) const LATEST: &str = "SELECT movie_id, title, watched_at, marked_seq
    FROM marks WHERE user_id = ? ORDER BY watched_at DESC, marked_seq DESC LIMIT 2";

/// Binds: plays, user, movie.
pub(in crate::adapters::sql) const SET_PLAYS: &str =
    "UPDATE marks SET plays = ? WHERE user_id = ? AND movie_id = ?";

/// Binds: moment, user, movie.
pub(in crate::adapters::sql) const MOVE: &str =
    "UPDATE marks SET watched_at = ? WHERE user_id = ? AND movie_id = ?";

/// Binds: user, movie.
pub(in crate::adapters::sql) const REMOVE: &str =
    "DELETE FROM marks WHERE user_id = ? AND movie_id = ?";

/// The genres of what a user holds at a moment or later, and when. Binds: user, moment. The package is
/// locked before its version is looked for, hence the order (a comment to engines that do not know
/// it): the version that an edit made while this waited is there when it goes on.
pub(in crate::adapters::sql) fn entitlement_sql(dialect: Dialect) -> &'static str {
    for_share!(
        dialect,
        "SELECT /*+ JOIN_FIXED_ORDER() NO_BNL() */ v.genres, s.starts_at, s.ends_at FROM subscriptions s
         JOIN packages p ON p.id = s.package_id
         JOIN package_versions v ON v.package_id = p.id AND v.version =
            CASE WHEN s.version > p.floor_version THEN s.version ELSE p.floor_version END
         WHERE s.user_id = ? AND s.ends_at > ?"
    )
}

/// A user's row and the mark of one movie. Binds: movie, user.
pub(in crate::adapters::sql) fn lock_sql(dialect: Dialect) -> &'static str {
    for_update!(
        dialect,
        "SELECT u.watch_seq, u.cancelled_at,
            m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq, m.plays
         FROM users u LEFT JOIN marks m ON m.user_id = u.id AND m.movie_id = ?
         WHERE u.id = ?"
    )
}

/// A user whose row this transaction has locked, and the mark of one movie.
pub(super) struct Locked {
    pub(super) user: UserId,
    pub(super) movie: MovieId,
    pub(super) seq: u64,
    pub(super) cancelled_at: Timestamp,
    pub(super) mark: Option<WatchedMark>,
    /// The latest mark of the other movies.
    other: Option<Latest>,
}

pub(super) struct Latest {
    film: LastFilm,
    place: Place,
}

impl Latest {
    pub(super) fn new(movie_id: MovieId, movie_name: String, watched_at: i64, seq: u64) -> Self {
        let place = (Timestamp::from_millis(watched_at), seq);
        Self { film: LastFilm { movie_id, movie_name }, place }
    }
}

/// Of two marks the one with the greater place is the later one.
type Place = (Timestamp, u64);

fn latest_from(row: &AnyRow) -> Result<Latest, StoreError> {
    let film = LastFilm { movie_id: movie_id(row, "movie_id")?, movie_name: get(row, "title")? };
    Ok(Latest { film, place: (time(row, "watched_at")?, number(row, "marked_seq")?) })
}

/// Locks the user's row, for which everything else that changes the user's marks or subscriptions
/// waits, and then asks for what [`Locked::of`] needs.
pub(super) fn lock(dialect: Dialect, user: UserId, movie: MovieId) -> Batch {
    Batch::new()
        .then(lock_sql(dialect))
        .bind(i64::from(movie))
        .bind(user.as_uuid())
        .then(LATEST)
        .bind(user.as_uuid())
}

impl Locked {
    /// By the answers to [`lock`].
    pub(super) fn of(
        user: UserId,
        movie: MovieId,
        answers: &mut Answers,
    ) -> Result<Self, WatchError> {
        let (locked, latest) = (answers.rows(), answers.rows());
        let row = locked.first().ok_or(WatchError::UserNotFound)?;
        let marked: Option<i64> = get(row, "movie_id")?;
        let latest = latest.iter().map(latest_from).collect::<Result<Vec<_>, _>>()?;
        let other = latest.into_iter().find(|latest| latest.film.movie_id != movie);
        let mark = marked.map(|_| mark_from(row)).transpose()?;
        Ok(Self { mark, ..Self::unmarked(user, movie, row, other)? })
    }

    /// The same after a new mark, before another one.
    pub(super) fn after(self, mark: &WatchedMark) -> Self {
        let WatchedMark { movie, watched_at, marked_seq, .. } = mark;
        let new = Latest::new(movie.id, movie.title.clone(), watched_at.as_millis(), *marked_seq);
        let other = self.other.filter(|other| other.place > new.place).unwrap_or(new);
        Self { seq: *marked_seq, other: Some(other), ..self }
    }

    /// By the user's row and the latest mark, where the movie is not marked.
    pub(super) fn unmarked(
        user: UserId,
        movie: MovieId,
        row: &AnyRow,
        latest: Option<Latest>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            user,
            movie,
            seq: number(row, "watch_seq")?,
            cancelled_at: time(row, "cancelled_at")?,
            mark: None,
            other: latest,
        })
    }
}

/// Asks for what [`entitlement`] needs. The moment is the earliest that will be asked about.
pub(super) fn ask_entitlement(
    batch: Batch,
    dialect: Dialect,
    user: UserId,
    from: Timestamp,
) -> Batch {
    batch.then(entitlement_sql(dialect)).bind(user.as_uuid()).bind(from.as_millis())
}

/// A package that a user holds, at a moment or later.
#[derive(Deserialize)]
pub(super) struct Holding {
    genres: GenreSet,
    from: i64,
    to: i64,
}

impl Holding {
    /// A row that [`entitlement_sql`] gives.
    pub(super) fn of(row: &AnyRow) -> Result<Self, StoreError> {
        let genres = json(row, "genres")?;
        Ok(Self { genres, from: get(row, "starts_at")?, to: get(row, "ends_at")? })
    }

    /// A column with a list of them.
    pub(super) fn list(row: &AnyRow, column: &str) -> Result<Vec<Self>, StoreError> {
        Ok(optional_json(row, column)?.unwrap_or_default())
    }
}

/// What the user may see at a moment.
pub(super) fn entitlement(held: &[Holding], at: Timestamp, mode: EntitlementMode) -> Entitlement {
    let at = at.as_millis();
    let held = held.iter().filter(|it| it.from <= at && at < it.to);
    let genres: Vec<_> = held.flat_map(|it| it.genres.iter()).collect();
    Entitlement { genres: genres.into(), mode }
}

/// The kinds of change that [`Locked::record`] makes events of.
pub(super) enum Kind {
    /// With the mark's new place.
    Marked(Place),
    Unmarked,
    /// With the mark's new place.
    Updated(Place),
}

impl Locked {
    /// The number that the next change takes.
    pub(super) fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// The user's last film, where this one has this place, or is not marked.
    fn last_film(&self, movie: &MovieSnapshot, place: Option<Place>) -> Option<LastFilm> {
        let other = self.other.as_ref();
        match place {
            Some(place) if other.is_none_or(|other| other.place < place) => {
                Some(LastFilm { movie_id: movie.id, movie_name: movie.title.clone() })
            }
            _ => other.map(|other| other.film.clone()),
        }
    }

    /// Leaves a change for the end of the transaction, with the number that it takes and its event.
    pub(super) fn record(
        &self,
        tx: &mut Tx,
        change: Batch,
        movie: &MovieSnapshot,
        kind: Kind,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        outbox::insert(tx, &self.event(movie, kind, now))?;
        tx.end_with(
            change
                .then("UPDATE users SET watch_seq = ?, watch_changed_at = ? WHERE id = ?")
                .bind(signed(self.next_seq())?)
                .bind(now.as_millis())
                .bind(self.user.as_uuid()),
        );
        Ok(())
    }

    /// What is told of a change.
    pub(super) fn event(&self, movie: &MovieSnapshot, kind: Kind, now: Timestamp) -> WatchEvent {
        let place = match kind {
            Kind::Marked(place) | Kind::Updated(place) => Some(place),
            Kind::Unmarked => None,
        };
        let last_film = self.last_film(movie, place);
        let movie = MarkedMovie {
            movie_id: movie.id,
            movie_name: movie.title.clone(),
            genre_ids: movie.genres.clone(),
        };
        let told = match kind {
            Kind::Marked((watched_at, _)) => WatchChange::Marked { movie, watched_at, last_film },
            Kind::Unmarked => WatchChange::Unmarked { movie, last_film },
            Kind::Updated((watched_at, _)) => WatchChange::Updated { movie, watched_at, last_film },
        };
        WatchEvent {
            id: EventId::generate(),
            user_id: self.user,
            seq: self.next_seq(),
            at: now,
            change: told,
        }
    }

    /// Leaves for the end of the transaction that the mark has these plays, with its event where that
    /// gives it another `watched_at`. Gives the latter.
    pub(super) fn rewrite_plays(
        &self,
        tx: &mut Tx,
        mark: &WatchedMark,
        plays: &[Play],
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let latest = plays.first().ok_or_else(|| corrupt("a mark has no play"))?;
        let watched_at = latest.viewing.watched_at;
        let (user, movie) = (self.user.as_uuid(), i64::from(self.movie));
        let change = Batch::new().then(SET_PLAYS).bind(to_column(plays)?).bind(user).bind(movie);
        if mark.watched_at == watched_at {
            tx.end_with(change);
            return Ok(watched_at);
        }
        let change = change.then(MOVE).bind(watched_at.as_millis()).bind(user).bind(movie);
        let place = (watched_at, mark.marked_seq);
        self.record(tx, change, &mark.movie, Kind::Updated(place), now)?;
        Ok(watched_at)
    }

    /// Leaves the removal of the mark for the end of the transaction, with its event.
    pub(super) fn remove_mark(
        &self,
        tx: &mut Tx,
        mark: &WatchedMark,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change =
            Batch::new().then(REMOVE).bind(self.user.as_uuid()).bind(i64::from(self.movie));
        self.record(tx, change, &mark.movie, Kind::Unmarked, now)
    }
}
