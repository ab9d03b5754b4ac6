//! Opening and closing everything that is kept or carried somewhere.

use std::sync::Arc;

use super::{
    AppError,
    alone::{Alone, nobody_is_alone},
    bus::Bus,
    documents::Documents,
    sql::Sql,
};
use crate::{config::Config, data_dir::DataDir};

/// Everything that is kept or carried somewhere.
pub(super) struct Stores {
    pub(super) sql: Sql,
    pub(super) documents: Documents,
    pub(super) bus: Bus,
    alone: Option<Alone>,
    /// `None` when nothing is kept here.
    pub(super) data: Option<DataDir>,
}

impl Stores {
    pub(super) async fn open(config: &Config, data: Option<DataDir>) -> Result<Self, AppError> {
        let sql = Sql::open(config, data.as_ref()).await?;
        let alone = if config.is_replicated() {
            if !nobody_is_alone(&*sql.lease).await? {
                return Err(AppError::NotAlone);
            }
            None
        } else {
            Some(Alone::claim(Arc::clone(&sql.lease)).await?.ok_or(AppError::NotAlone)?)
        };
        let documents = Documents::open(config, data.as_ref()).await?;
        let bus = Bus::open(config, &sql.store).await?;
        Ok(Self { sql, documents, bus, alone, data })
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
        self.documents.close().await;
        if let Some(alone) = self.alone {
            alone.release().await;
        }
        self.sql.store.close().await;
    }

    /// Done when another instance has begun to work on the same stores.
    pub(super) async fn not_alone(&self) {
        match &self.alone {
            Some(alone) => alone.lost().await,
            None => std::future::pending().await,
        }
    }
}
