//! Opening and closing everything that is kept or carried somewhere.

use std::sync::Arc;

use super::{
    AppError,
    bus::Bus,
    claim::{Claim, Company},
    documents::Documents,
    sql::Sql,
};
use crate::{config::Config, data_dir::DataDir, telemetry::Traces};

/// Everything that is kept or carried somewhere.
pub(super) struct Stores {
    pub(super) sql: Sql,
    pub(super) documents: Documents,
    pub(super) bus: Bus,
    claim: Claim,
    /// `None` when nothing is kept here.
    pub(super) data: Option<DataDir>,
}

impl Stores {
    pub(super) async fn open(
        config: &Config,
        data: Option<DataDir>,
        traces: Option<&Traces>,
    ) -> Result<Self, AppError> {
        let sql = Sql::open(config, data.as_ref()).await?;
        let company = if config.is_replicated() { Company::Replicas } else { Company::None };
        let claim = Claim::make(Arc::clone(&sql.lease), company).await?;
        let claim = claim.ok_or(AppError::NotAlone)?;
        let documents = Documents::open(config, data.as_ref()).await?;
        let bus = Bus::open(config, &sql.store, traces).await?;
        Ok(Self { sql, documents, bus, claim, data })
    }

    /// The folder of what is kept here.
    pub(super) fn data(config: &Config) -> Result<Option<DataDir>, AppError> {
        if config.is_replicated() {
            return Ok(None);
        }
        Ok(Some(DataDir::open(&config.data_dir)?))
    }

    pub(super) async fn close(self) {
        self.bus.close().await;
        self.close_stores().await;
    }

    /// What is left once the bus is closed.
    pub(super) async fn close_stores(self) {
        self.documents.close().await;
        self.claim.end().await;
        self.sql.store.close().await;
    }

    /// Waits until everything is at this version.
    pub(super) async fn migrated(&self) -> Result<(), AppError> {
        self.documents.migrated().await?;
        if !self.bus.reached().await {
            return Err(AppError::NotMigrated("NATS"));
        }
        Ok(())
    }

    /// Done when another instance has begun to work on the same stores.
    pub(super) async fn not_alone(&self) {
        self.claim.lost().await;
    }
}
