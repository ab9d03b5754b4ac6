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
    rows::{get, optional_json, parsed},
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
    /// In a file: a row for each user.
    File(ByUser),
    /// On a server: the users' rows, and those of each other question.
    Server(Box<[ByUser; 4]>),
}

impl Findings {
    pub(super) fn new(dialect: Dialect, mut answers: Answers) -> Result<Self, StoreError> {
        let mut next = || ByUser::new(answers.rows());
        Ok(match dialect {
            Dialect::Sqlite => Self::File(next()?),
            Dialect::MySql => Self::Server(Box::new([next()?, next()?, next()?, next()?])),
        })
    }

    /// Nothing of a user who is not there, or whom somebody else has locked.
    pub(super) fn of(&self, user: UserId, movie: MovieId) -> Result<Option<Found>, StoreError> {
        match self {
            Self::File(users) => {
                let Some(row) = users.of(user).first() else { return Ok(None) };
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
                Ok(Some(Found {
                    locked: Locked::unmarked(user, movie, row, latest)?,
                    marked: !marked.of(user).is_empty(),
                    held: held.of(user).iter().map(Holding::of).collect::<Result<_, _>>()?,
                }))
            }
        }
    }
}
