//! Reading columns into domain values, and values that are stored in another form.

use std::{fmt::Display, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Any, Decode, Row, Type, any::AnyRow};
use watchme_actors::{
    domain::{MovieId, PageRequest, Timestamp},
    ports::StoreError,
};

use super::errors::{Db, corrupt};

/// `ends_at` of a subscription without an end.
const OPEN: i64 = i64::MAX;

pub(super) fn get<'r, T>(row: &'r AnyRow, column: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Any> + Type<Any>,
{
    row.try_get(column).db()
}

pub(super) fn parsed<T>(row: &AnyRow, column: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: Display>,
{
    let text: &str = get(row, column)?;
    text.parse().map_err(|error| corrupt(format_args!("column {column}: {error}")))
}

pub(super) fn optional<T>(row: &AnyRow, column: &str) -> Result<Option<T>, StoreError>
where
    T: FromStr<Err: Display>,
{
    let text: Option<String> = get(row, column)?;
    text.map(|text| text.parse())
        .transpose()
        .map_err(|error| corrupt(format_args!("column {column}: {error}")))
}

pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, StoreError> {
    let text: &str = get(row, column)?;
    serde_json::from_str(text).map_err(|error| corrupt(format_args!("column {column}: {error}")))
}

pub(super) fn optional_json<T: DeserializeOwned>(
    row: &AnyRow,
    column: &str,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = get(row, column)?;
    if text.is_none() { Ok(None) } else { json(row, column).map(Some) }
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(corrupt)
}

pub(super) fn time(row: &AnyRow, column: &str) -> Result<Timestamp, StoreError> {
    get(row, column).map(Timestamp::from_millis)
}

pub(super) fn optional_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = get(row, column)?;
    Ok(millis.map(Timestamp::from_millis))
}

/// An end that may be open.
pub(super) fn end(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millis: i64 = get(row, column)?;
    Ok((millis != OPEN).then(|| Timestamp::from_millis(millis)))
}

/// The form in which an end that may be open is stored.
pub(super) fn end_millis(end: Option<Timestamp>) -> i64 {
    end.map_or(OPEN, Timestamp::as_millis)
}

/// A number that is never negative.
pub(super) fn number<T: TryFrom<i64>>(row: &AnyRow, column: &str) -> Result<T, StoreError> {
    let number: i64 = get(row, column)?;
    T::try_from(number)
        .map_err(|_| corrupt(format_args!("column {column}: {number} is out of range")))
}

pub(super) fn movie_id(row: &AnyRow, column: &str) -> Result<MovieId, StoreError> {
    number(row, column)
}

/// A sequence number as a column holds it.
pub(super) fn signed(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(corrupt)
}

/// A pattern of `LIKE … ESCAPE '!'` for texts that contain this one, over columns in lower case.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// How many rows to skip for a page.
pub(super) fn offset(page: PageRequest) -> i64 {
    i64::try_from(page.offset()).unwrap_or(i64::MAX)
}
