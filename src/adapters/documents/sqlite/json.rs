//! Documents as text.

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};
use watchme_actors::ports::StoreError;

use super::errors::corrupt;

pub(super) fn read<T: DeserializeOwned>(
    kind: &str,
    id: impl Display,
    document: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(document).map_err(|error| corrupt(format!("{kind} {id}: {error}")))
}

/// For lists: one unreadable document must not take all others away, and the next sync or rebuild
/// replaces it.
pub(super) fn read_or_skip<T: DeserializeOwned>(
    kind: &str,
    id: impl Display,
    document: &str,
) -> Option<T> {
    read(kind, id, document)
        .inspect_err(|error| tracing::error!(%error, "an unreadable document is left out"))
        .ok()
}

pub(super) fn write<T: Serialize>(
    kind: &str,
    id: impl Display,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(format!("{kind} {id}: {error}")))
}

/// Numbers as a JSON array for `json_each(?)`, so that the statement stays the same however many
/// there are.
pub(super) fn numbers(ids: impl IntoIterator<Item = impl Into<i64>>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.into().to_string()).collect();
    format!("[{}]", ids.join(","))
}
