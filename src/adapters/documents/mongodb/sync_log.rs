//! The sync log port.

use async_trait::async_trait;
use mongodb::bson::doc;
use watchme_actors::ports::{StoreError, SyncLog, SyncRecord};

use super::{
    MongoDocuments,
    bulk::{replace, update_by_id},
    documents::{SyncDocument, read, write},
    schema::SYNC_RECORDS,
};

const KIND: &str = "sync record";

#[async_trait]
impl SyncLog for MongoDocuments {
    async fn sync_record(&self, name: &str) -> Result<SyncRecord, StoreError> {
        let time = self.circuit.settings.server_time();
        let row = self
            .circuit
            .call(|live| async move {
                live.collection(SYNC_RECORDS).find_one(doc! { "_id": name }).max_time(time).await
            })
            .await?;
        let Some(row) = row else { return Ok(SyncRecord::default()) };
        Ok(read::<SyncDocument>(KIND, &row).map(SyncRecord::from).unwrap_or_else(|error| {
            tracing::warn!(%error, "the sync record counts as none");
            SyncRecord::default()
        }))
    }

    async fn save_sync_record(&self, name: &str, record: &SyncRecord) -> Result<(), StoreError> {
        let document = write(KIND, &SyncDocument::new(name, record))?;
        update_by_id(self, SYNC_RECORDS, vec![replace(doc! { "_id": name }, document)]).await
    }
}
