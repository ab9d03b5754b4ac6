//! What the synchronisations with the source have come to.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::Timestamp;

/// The state of one synchronisation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRecord {
    /// When it last came to its end.
    pub last_success: Option<Timestamp>,
    /// When it last failed.
    pub last_failure: Option<Timestamp>,
    /// How much the last success changed.
    pub changed: u64,
}

/// The store of sync records, by name.
#[async_trait]
pub trait SyncLog: Send + Sync {
    /// The record; the default one before the first, and where the stored one cannot be read: a
    /// synchronisation too many puts it right.
    async fn sync_record(&self, name: &str) -> Result<SyncRecord, StoreError>;

    /// Stores a record.
    async fn save_sync_record(&self, name: &str, record: &SyncRecord) -> Result<(), StoreError>;
}
