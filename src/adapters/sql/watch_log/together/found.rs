//! What the questions of [`super::statements::ask`] have found.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use watchme_actors::{
    domain::{MovieId, UserId},
    ports::StoreError,
};

use super::super::transaction::{Holding, Latest, Locked};
use crate::adapters::sql::{
    batch::Answers,
    dialect::Dialect,
    rows::{get, movie_id, number, optional_json, parsed},
};

/// Of a user whose row is locked.
pub(super) struct Found {
    pub(super) locked: Locked,
    /// The movie is marked.
    pub(super) marked: bool,
    pub(super) held: Vec<Holding>,
}

/// Rows by the user that they are of.
pub(super) struct ByUser(HashMap<UserId, Vec<AnyRow>>);

impl ByUser {
    fn new(rows: Vec<AnyRow>) -> Result<Self, StoreError> {
        let mut by_user: HashMap<UserId, Vec<AnyRow>> = HashMap::with_capacity(rows.len());
        for row in rows {
            by_user.entry(parsed(&row, "user_id")?).or_default().push(row);
        }
        Ok(Self(by_user))
    }

    fn of(&self, user: UserId) -> &[AnyRow] {
        self.0.get(&user).map_or(&[], Vec::as_slice)
    }
}

fn latest_in(row: &AnyRow) -> Result<Option<Latest>, StoreError> {
    let mark = optional_json(row, "latest")?;
    Ok(mark.map(|(movie, title, at, seq)| Latest::new(movie, title, at, seq)))
}

/// All that was found.
pub(super) enum Findings {
    /// In a file: a row for each question, by its number.
    File(HashMap<usize, AnyRow>),
    /// On a server: the users' rows, and those of each other question.
    Server(Box<[ByUser; 4]>),
}

impl Findings {
    pub(super) fn new(dialect: Dialect, mut answers: Answers) -> Result<Self, StoreError> {
        if dialect == Dialect::Sqlite {
            let rows = answers.rows().into_iter().map(|row| Ok((number(&row, "n")?, row)));
            return rows.collect::<Result<_, _>>().map(Self::File);
        }
        let mut next = || ByUser::new(answers.rows());
        Ok(Self::Server(Box::new([next()?, next()?, next()?, next()?])))
    }

    /// What was found for a question. Nothing for a user who is not there, or whom somebody else has
    /// locked.
    pub(super) fn of(
        &self,
        question: usize,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<Found>, StoreError> {
        match self {
            Self::File(rows) => {
                let Some(row) = rows.get(&question) else { return Ok(None) };
                Ok(Some(Found {
                    locked: Locked::unmarked(user, movie, row, latest_in(row)?)?,
                    marked: get::<i64>(row, "marked")? != 0,
                    held: Holding::list(row, "held")?,
                }))
            }
            Self::Server(answers) => {
                let [locked, marked, latest, held] = &**answers;
                let Some(row) = locked.of(user).first() else { return Ok(None) };
                let latest = latest.of(user).first().map(latest_in).transpose()?.flatten();
                let marked = marked.of(user).iter().map(|row| movie_id(row, "movie_id"));
                Ok(Some(Found {
                    locked: Locked::unmarked(user, movie, row, latest)?,
                    marked: marked.collect::<Result<Vec<_>, _>>()?.contains(&movie),
                    held: held.of(user).iter().map(Holding::of).collect::<Result<_, _>>()?,
                }))
            }
        }
    }
}
