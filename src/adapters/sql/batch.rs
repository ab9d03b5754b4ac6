//! Statements that go to the engine together.
//!
//! On SQLite a batch is one round trip, with its values bound. A server binds values of one statement
//! at a time, but takes a text of several: there numbers and identifiers, which cannot be anything
//! else, are written into the text, and texts are bound to variables of the session before.

use std::{borrow::Cow, vec};

use futures_util::TryStreamExt;
use sqlx::{
    Any, AnyConnection, Arguments, Either, Executor, QueryBuilder,
    any::{AnyArguments, AnyQueryResult, AnyRow},
    raw_sql,
};
use uuid::Uuid;
use watchme_actors::ports::StoreError;

use super::{dialect::Dialect, errors::Db};

/// Bytes of text that one statement binds to variables, at most. The driver leaves Nagle's algorithm
/// on: what takes two writes (a record of TLS has 16 KiB) waits with the second for the server's
/// delayed acknowledgement of the first, 40 ms.
const WRITE: usize = 12_288;

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Number(i64),
    Id(Uuid),
    /// On a server a variable, which is of another character set than identifiers: an index of those is
    /// not looked up by it.
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&Uuid> for Value {
    fn from(id: &Uuid) -> Self {
        Self::Id(*id)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

#[derive(Debug, Clone)]
struct Statement {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

/// Statements in their order, each with the values of its question marks. It has no question marks
/// but those.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch(Vec<Statement>);

impl Batch {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn then(mut self, sql: &'static str) -> Self {
        self.0.push(Statement { sql: sql.into(), values: Vec::new() });
        self
    }

    /// A value of the last statement.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.values.push(value.into());
        }
        self
    }

    /// Goes on with a list of rows, whose values are to be bound one after another.
    pub(super) fn rows(mut self, row: &'static str, rows: usize) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.sql.to_mut().push_str(&vec![row; rows].join(", "));
        }
        self
    }

    /// Goes on with the last statement.
    pub(super) fn and(mut self, sql: &'static str) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.sql.to_mut().push_str(sql);
        }
        self
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The statements as a server gets them.
    #[cfg(test)]
    pub(super) fn written_out(&self) -> Vec<String> {
        let written = |statement| {
            let mut text = Text::default();
            text.add(statement);
            text.sql
        };
        self.0.iter().map(written).collect()
    }

    /// What the statements say, after another that begins their frame.
    pub(super) async fn ask(
        &self,
        dialect: Dialect,
        begin: Option<&'static str>,
        conn: &mut AnyConnection,
    ) -> Result<Answers, StoreError> {
        let mut sets = self.send(dialect, begin, None, conn).await.db()?;
        Ok(Answers(sets.split_off(sets.len().saturating_sub(self.0.len())).into_iter()))
    }

    /// Does the statements, and then another that ends their frame.
    pub(super) async fn end(
        &self,
        dialect: Dialect,
        end: Option<&'static str>,
        conn: &mut AnyConnection,
    ) -> Result<(), StoreError> {
        self.send(dialect, None, end, conn).await.db().map(drop)
    }

    /// Does the statements one by one, with their values bound on every engine.
    pub(super) async fn one_by_one(&self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        for statement in &self.0 {
            let mut bound = Bound::default();
            bound.add(statement);
            bound.run(conn, &mut Vec::new()).await.db()?;
        }
        Ok(())
    }

    async fn send(
        &self,
        dialect: Dialect,
        begin: Option<&'static str>,
        end: Option<&'static str>,
        conn: &mut AnyConnection,
    ) -> Result<Vec<Vec<AnyRow>>, sqlx::Error> {
        let frame = |sql: &'static str| Statement { sql: sql.into(), values: Vec::new() };
        let (begin, end) = (begin.map(frame), end.map(frame));
        let statements = begin.iter().chain(&self.0).chain(&end);
        let mut sets = Vec::new();
        match dialect {
            Dialect::Sqlite => {
                let mut together = Bound::default();
                statements.for_each(|statement| together.add(statement));
                together.run(conn, &mut sets).await?;
            }
            Dialect::MySql => {
                let mut together = Text::default();
                statements.for_each(|statement| together.add(statement));
                together.run(conn, &mut sets).await?;
            }
        }
        Ok(sets)
    }
}

/// The rows of each statement that was asked, in their order.
pub(super) struct Answers(vec::IntoIter<Vec<AnyRow>>);

impl Answers {
    /// Those of the next statement.
    pub(super) fn rows(&mut self) -> Vec<AnyRow> {
        self.0.next().unwrap_or_default()
    }
}

/// Statements whose values are bound.
#[derive(Default)]
struct Bound {
    sql: String,
    arguments: AnyArguments,
}

impl Bound {
    fn add(&mut self, statement: &Statement) {
        separate(&mut self.sql, &statement.sql);
        for value in &statement.values {
            // Only values of other types could be refused.
            let _ = match value {
                Value::Number(number) => self.arguments.add(*number),
                Value::Id(id) => self.arguments.add(id.to_string()),
                Value::Text(text) => self.arguments.add(text.clone()),
            };
        }
    }

    async fn run(
        self,
        conn: &mut AnyConnection,
        sets: &mut Vec<Vec<AnyRow>>,
    ) -> Result<(), sqlx::Error> {
        if self.sql.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::<Any>::with_arguments(self.sql, self.arguments);
        collect(conn.fetch_many(query.build()), sets).await
    }
}

/// Statements whose numbers and identifiers are part of them, and whose texts are in variables.
#[derive(Default)]
struct Text<'a> {
    sql: String,
    texts: Vec<&'a str>,
}

impl<'a> Text<'a> {
    fn add(&mut self, statement: &'a Statement) {
        let mut parts = statement.sql.split('?');
        separate(&mut self.sql, parts.next().unwrap_or_default());
        for (value, part) in statement.values.iter().zip(parts) {
            match value {
                Value::Number(number) => self.sql += &number.to_string(),
                Value::Id(id) => self.sql += &format!("'{id}'"),
                Value::Text(None) => self.sql += "NULL",
                Value::Text(Some(text)) => {
                    let variable = variable(self.place(text));
                    self.sql += &variable;
                }
            }
            self.sql += part;
        }
    }

    /// The place of a text among those that are bound: a text that several statements share is
    /// bound once.
    fn place(&mut self, text: &'a str) -> usize {
        self.texts.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.texts.push(text);
            self.texts.len() - 1
        })
    }

    async fn run(
        self,
        conn: &mut AnyConnection,
        sets: &mut Vec<Vec<AnyRow>>,
    ) -> Result<(), sqlx::Error> {
        for pieces in packed(&self.texts) {
            let mut set = QueryBuilder::<Any>::new("SET ");
            for (number, Piece { place, goes_on, text }) in pieces.into_iter().enumerate() {
                let variable = variable(place);
                set.push(if number > 0 { ", " } else { "" }).push(&variable).push(" = ");
                if goes_on {
                    set.push("CONCAT(").push(&variable).push(", ").push_bind(text).push(")");
                } else {
                    set.push_bind(text);
                }
            }
            set.build().execute(&mut *conn).await?;
        }
        if self.sql.is_empty() {
            return Ok(());
        }
        let sql = QueryBuilder::<Any>::new(self.sql).into_sql();
        collect(raw_sql(sql).fetch_many(conn), sets).await
    }
}

/// A part of the text at a place.
#[derive(Debug, PartialEq)]
struct Piece {
    place: usize,
    /// There is one before it.
    goes_on: bool,
    text: String,
}

/// Texts in pieces, those together that are bound by one statement.
fn packed(texts: &[&str]) -> Vec<Vec<Piece>> {
    let mut packed: Vec<Vec<Piece>> = Vec::new();
    let mut room = 0;
    for (place, mut rest) in texts.iter().copied().enumerate() {
        let mut goes_on = false;
        while !goes_on || !rest.is_empty() {
            if room == 0 || (rest.len() > room && room < WRITE) {
                packed.push(Vec::new());
                room = WRITE;
            }
            let (text, after) = rest.split_at(rest.floor_char_boundary(room));
            if let Some(pieces) = packed.last_mut() {
                pieces.push(Piece { place, goes_on, text: text.to_owned() });
            }
            room -= text.len();
            rest = after;
            goes_on = true;
        }
    }
    packed
}

/// A variable of the session.
fn variable(place: usize) -> String {
    format!("@text{place}")
}

fn separate(text: &mut String, next: &str) {
    if !text.is_empty() {
        text.push(';');
    }
    text.push_str(next);
}

/// Adds a set of rows for each statement.
async fn collect(
    mut results: impl futures_util::Stream<Item = Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>
    + Unpin,
    sets: &mut Vec<Vec<AnyRow>>,
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Right(row) => rows.push(row),
            Either::Left(_done) => sets.push(std::mem::take(&mut rows)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bound_in_pieces_that_are_sent_by_one_write_each() {
        let long = "é".repeat(WRITE);
        let texts = ["short", "", long.as_str(), "last"];
        let packed = packed(&texts);
        let mut bound = vec![None::<String>; texts.len()];
        for pieces in &packed {
            assert!(pieces.iter().map(|piece| piece.text.len()).sum::<usize>() <= WRITE);
            for Piece { place, goes_on, text } in pieces {
                assert_eq!(*goes_on, bound[*place].is_some());
                bound[*place].get_or_insert_default().push_str(text);
            }
        }
        assert_eq!(bound, texts.map(|text| Some(text.to_owned())));
        assert_eq!(packed.len(), 4, "those that have room together are bound together");
    }
}
