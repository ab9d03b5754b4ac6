//! Statements that go to the engine together.
//!
//! On SQLite a batch is one round trip, with its values bound. A server binds values of one statement
//! at a time, but takes a text of several: there numbers and identifiers, which cannot be anything
//! else, are written into the text, and a statement with texts goes by itself, with them bound.

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

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Number(i64),
    Id(Uuid),
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

impl Statement {
    fn has_text(&self) -> bool {
        self.values.iter().any(|value| matches!(value, Value::Text(_)))
    }
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

    /// Ends the last statement with a list of rows, whose values are to be bound one after another.
    pub(super) fn rows(mut self, row: &'static str, rows: usize) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.sql.to_mut().push_str(&vec![row; rows].join(", "));
        }
        self
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
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
                for statement in statements {
                    if statement.has_text() {
                        std::mem::take(&mut together).run(conn, &mut sets).await?;
                        let mut alone = Bound::default();
                        alone.add(statement);
                        alone.run(conn, &mut sets).await?;
                    } else {
                        together.add(statement);
                    }
                }
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

/// Statements whose values, numbers and identifiers only, are part of them.
#[derive(Default)]
struct Text(String);

impl Text {
    fn add(&mut self, statement: &Statement) {
        let mut parts = statement.sql.split('?');
        separate(&mut self.0, parts.next().unwrap_or_default());
        for (value, part) in statement.values.iter().zip(parts) {
            self.0 += &match value {
                Value::Number(number) => number.to_string(),
                Value::Id(id) => format!("'{id}'"),
                // A statement with texts is never put together like this.
                Value::Text(_) => "NULL".to_owned(),
            };
            self.0 += part;
        }
    }

    async fn run(
        self,
        conn: &mut AnyConnection,
        sets: &mut Vec<Vec<AnyRow>>,
    ) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let sql = QueryBuilder::<Any>::new(self.0).into_sql();
        collect(raw_sql(sql).fetch_many(conn), sets).await
    }
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
