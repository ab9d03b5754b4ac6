//! The truth, read with nothing of the service in between: marks answered = marks in SQL = a
//! recount of every report, and per-user sequences without a gap.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use sqlx::{AnyPool, Row, any::AnyRow};
use tokio::time::sleep;
use watchme_actors::{
    domain::{GenreSet, LastFilm, MovieId, Projection, UserId},
    ports::Reports,
};

use crate::{load::Marks, support::Client};

const LOOK_AGAIN: Duration = Duration::from_millis(30);

/// The stores, read directly.
pub struct Oracle<'a> {
    /// SQL.
    pub sql: &'a AnyPool,
    /// Projections.
    pub reports: &'a dyn Reports,
}

impl Oracle<'_> {
    /// Insists on what was answered, and waits at most `patience` until the stored reports have
    /// come to it; how long that took.
    pub async fn check(&self, answered: &[(Client, Marks)], patience: Duration) -> Duration {
        for (client, marks) in answered {
            assert_eq!(&self.marks(&client.id).await, marks, "marks of {}", client.id);
            self.sequence_is_whole(&client.id).await;
        }
        let users: Vec<String> = answered.iter().map(|(client, _)| client.id.clone()).collect();
        let time = self.reports_come_to_the_marks(&users, patience).await;
        for (client, _) in answered {
            let report = client.get("/reports/me").await.expect(200);
            let recount = self.recount(&client.id).await;
            assert_eq!(report["totalFilmsWatched"], recount.total_films);
            let last = recount.last_film.map(|film| i64::from(film.movie_id));
            assert_eq!(report["lastFilmWatched"]["movieId"].as_i64(), last);
        }
        time
    }

    /// Waits until the stored projection of every user is a recount of their marks.
    pub async fn reports_come_to_the_marks(
        &self,
        users: &[String],
        patience: Duration,
    ) -> Duration {
        let began = Instant::now();
        let mut left = self.wrong(users).await;
        while !left.is_empty() {
            if began.elapsed() > patience {
                let user = &left[0];
                let stored = self.reports.projection(user.parse().unwrap()).await.unwrap();
                panic!(
                    "{} reports are not what the marks say after {patience:?}; the first: {stored:?} instead of {:?}",
                    left.len(),
                    self.recount(user).await
                );
            }
            sleep(LOOK_AGAIN).await;
            left = self.wrong(&left).await;
        }
        began.elapsed()
    }

    /// The users whose stored projection is not a recount of their marks.
    pub async fn wrong(&self, users: &[String]) -> Vec<String> {
        let mut wrong = Vec::new();
        for user in users {
            let id: UserId = user.parse().unwrap();
            let recount = self.recount(user).await;
            let stored = self.reports.projection(id).await.unwrap();
            // Nothing stored is nothing watched.
            if stored.unwrap_or_else(|| Projection::empty(id)) != recount {
                wrong.push(user.clone());
            }
        }
        wrong
    }

    /// How many events of these users were published and are not in their stored projections.
    pub async fn published_not_folded(&self, users: &[String]) -> usize {
        let stored = self.stored(users).await;
        let mut waiting = 0;
        for user in users {
            let id: UserId = user.parse().unwrap();
            let folded = stored.get(&id).map_or(0, |projection| projection.last_seq);
            let published =
                self.rows("SELECT payload FROM outbox WHERE user_id = ? AND state = 1", user).await;
            waiting += numbers(&published).into_iter().filter(|seq| *seq > folded).count();
        }
        waiting
    }

    async fn rows(&self, statement: &'static str, user: &str) -> Vec<AnyRow> {
        sqlx::query(statement).bind(user.to_owned()).fetch_all(self.sql).await.unwrap()
    }

    async fn marks(&self, user: &str) -> Marks {
        let mut marks = Marks::new();
        for row in self.rows("SELECT movie_id, plays FROM marks WHERE user_id = ?", user).await {
            let plays: Vec<(String, i64, u8)> = serde_json::from_str(row.get(1)).unwrap();
            marks.insert(row.get::<i64, _>(0) as u64, plays.len() as u32);
        }
        marks
    }

    /// Every number from 1 to the last one is in the outbox, once.
    async fn sequence_is_whole(&self, user: &str) {
        let rows = self.rows("SELECT watch_seq FROM users WHERE id = ?", user).await;
        let last = rows[0].get::<i64, _>(0) as u64;
        let rows = self.rows("SELECT payload FROM outbox WHERE user_id = ?", user).await;
        let mut numbers = numbers(&rows);
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "the sequence of {user}");
    }

    /// What a report has to be.
    async fn recount(&self, user: &str) -> Projection {
        let id: UserId = user.parse().unwrap();
        let rows = self.rows("SELECT watch_seq FROM users WHERE id = ?", user).await;
        let last_seq = rows[0].get::<i64, _>(0) as u64;
        let rows = self
            .rows(
                "SELECT movie_id, title, genres FROM marks WHERE user_id = ?
                 ORDER BY watched_at DESC, marked_seq DESC",
                user,
            )
            .await;
        let mut films_by_genre = BTreeMap::new();
        for row in &rows {
            let genres: GenreSet = serde_json::from_str(row.get(2)).unwrap();
            for genre in genres.iter() {
                *films_by_genre.entry(genre).or_insert(0) += 1;
            }
        }
        let last_film = rows.first().map(|row| LastFilm {
            movie_id: MovieId::try_from(row.get::<i64, _>(0)).unwrap(),
            movie_name: row.get(1),
        });
        let total_films = rows.len() as u64;
        Projection { user_id: id, last_seq, total_films, films_by_genre, last_film }
    }

    /// The users' reports as they are stored.
    pub async fn stored(&self, users: &[String]) -> HashMap<UserId, Projection> {
        let ids: Vec<UserId> = users.iter().map(|user| user.parse().unwrap()).collect();
        self.reports.projections(&ids).await.unwrap()
    }
}

/// The sequence numbers of events.
fn numbers(payloads: &[AnyRow]) -> Vec<u64> {
    let number = |row: &AnyRow| {
        let event: serde_json::Value = serde_json::from_str(row.get(0)).unwrap();
        event["seq"].as_u64().unwrap()
    };
    payloads.iter().map(number).collect()
}
