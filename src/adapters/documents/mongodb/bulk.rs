//! Many writes in one command, which the server ends by itself when they take too long.

use std::collections::BTreeSet;

use mongodb::bson::{Document, deserialize_from_document, doc};
use serde::Deserialize;
use watchme_actors::ports::StoreError;

use super::{
    MongoDocuments,
    errors::{DUPLICATE, unavailable},
};

/// Writes in one command; each is its own atomic step.
pub(super) const BATCH: usize = 500;

/// Puts a document in the place of the one that the filter finds, or stores it as a new one.
pub(super) fn replace(filter: Document, document: Document) -> Document {
    doc! { "q": filter, "u": document, "upsert": true }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    write_errors: Vec<WriteError>,
    write_concern_error: Option<Document>,
}

#[derive(Deserialize)]
struct WriteError {
    index: usize,
    code: i32,
    #[serde(default)]
    errmsg: String,
}

/// Carries statements out, in no order. The places of those that found another document of their
/// identifier than their filter wanted: they changed nothing.
pub(super) async fn update(
    store: &MongoDocuments,
    collection: &str,
    statements: Vec<Document>,
) -> Result<BTreeSet<usize>, StoreError> {
    let command = doc! { "update": collection, "updates": statements, "ordered": false };
    write(store, command).await
}

/// Deletes every document that the filter finds.
pub(super) async fn delete(
    store: &MongoDocuments,
    collection: &str,
    filter: Document,
) -> Result<(), StoreError> {
    let statements = vec![doc! { "q": filter, "limit": 0 }];
    write(store, doc! { "delete": collection, "deletes": statements }).await.map(drop)
}

/// The places of the statements that met a duplicate.
async fn write(
    store: &MongoDocuments,
    mut command: Document,
) -> Result<BTreeSet<usize>, StoreError> {
    let time = store.circuit.settings.server_time().as_millis();
    command.insert("maxTimeMS", i64::try_from(time).unwrap_or(i64::MAX));
    let answer = store
        .circuit
        .call(|live| async move {
            if !live.write_concern.is_empty() {
                command.insert("writeConcern", live.write_concern.clone());
            }
            live.database.run_command(command).await
        })
        .await?;
    let answer: Answer = deserialize_from_document(answer).map_err(unavailable)?;
    if let Some(failed) = answer.write_concern_error {
        return Err(unavailable(format_args!("a write was not confirmed: {failed}")));
    }
    if let Some(refused) = answer.write_errors.iter().find(|error| error.code != DUPLICATE) {
        let WriteError { code, errmsg, .. } = refused;
        return Err(unavailable(format_args!("a document was refused ({code}): {errmsg}")));
    }
    Ok(answer.write_errors.iter().map(|error| error.index).collect())
}

/// Carries out statements whose filters are identifiers alone. Where two make the same document
/// at once, a server may refuse the later one, which then finds it.
pub(super) async fn update_by_id(
    store: &MongoDocuments,
    collection: &str,
    mut statements: Vec<Document>,
) -> Result<(), StoreError> {
    for _ in 0..3 {
        if statements.is_empty() {
            return Ok(());
        }
        let refused = update(store, collection, statements.clone()).await?;
        let mut place = 0..;
        statements.retain(|_| place.next().is_some_and(|place| refused.contains(&place)));
    }
    if statements.is_empty() {
        Ok(())
    } else {
        Err(unavailable("others change the same documents"))
    }
}
