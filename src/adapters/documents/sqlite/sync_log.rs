//! The sync log port.

use async_trait::async_trait;
use watchme_actors::ports::{StoreError, SyncLog, SyncRecord};

use super::{
    SqliteDocuments,
    errors::store_error,
    json::{read, write},
};

const KIND: &str = "sync record";

#[async_trait]
impl SyncLog for SqliteDocuments {
    async fn sync_record(&self, name: &str) -> Result<SyncRecord, StoreError> {
        let document =
            sqlx::query_scalar::<_, String>("SELECT document FROM sync_records WHERE name = ?")
                .bind(name)
                .fetch_optional(&self.readers)
                .await
                .map_err(store_error)?;
        let Some(text) = document else { return Ok(SyncRecord::default()) };
        Ok(read(KIND, name, &text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the sync record counts as none");
            SyncRecord::default()
        }))
    }

    async fn save_sync_record(&self, name: &str, record: &SyncRecord) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sync_records (name, document) VALUES (?, ?)
             ON CONFLICT (name) DO UPDATE SET document = excluded.document",
        )
        .bind(name)
        .bind(write(KIND, name, record)?)
        .execute(&self.writer)
        .await
        .map(drop)
        .map_err(store_error)
    }
}
