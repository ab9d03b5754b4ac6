//! Opening and closing the store.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::{
    Collection,
    bson::{Document, RawDocumentBuf},
    options::{ConnectionString, FindOptions},
};
use watchme_actors::ports::{Probe, StoreError};

use super::{
    circuit::{Circuit, Live, ping},
    errors::unavailable,
    settings::MongoSettings,
    upsert::Untold,
};

/// The document store in MongoDB. Clones share its connections.
///
/// While the server is away every call fails at once; it is looked for in the background, and
/// found again within 5 s of its return.
#[derive(Clone)]
pub struct MongoDocuments {
    pub(super) circuit: Arc<Circuit>,
    pub(super) untold: Untold,
}

impl MongoDocuments {
    /// Begins to look for the server, and makes its collections, indexes and validators (or brings
    /// them to this version) as soon as it is found. Returns without waiting for that: until then
    /// every call is `Unavailable`. Has to be called within the runtime that lives longest.
    ///
    /// # Errors
    /// `Unavailable` when the URL is not one that is understood.
    pub async fn open(settings: &MongoSettings) -> Result<Self, StoreError> {
        // The driver's own words would repeat parts of the URL, the password maybe among them.
        ConnectionString::parse(&settings.url).map_err(|_| {
            unavailable(
                "the URL of MongoDB is not understood: its form is \
                 mongodb://user:password@host:port/database?options, with what is special in user \
                 and password percent-encoded",
            )
        })?;
        Ok(Self { circuit: Circuit::start(settings.clone()), untold: Untold::default() })
    }

    /// Waits until the server is found and has its collections, at most the time-outs of one
    /// connection and one operation. After an error the store goes on trying by itself.
    ///
    /// # Errors
    /// `Unavailable` when it was not found in that time.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.circuit.ready().await
    }

    /// Whether the server is reached and has its collections; calls fail at once while it is not.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.circuit.live().is_ok()
    }

    /// Closes the connections; what is under way is broken off, later calls get `Unavailable`.
    pub async fn close(&self) {
        self.circuit.end().await;
    }

    /// The documents that a filter finds.
    pub(super) async fn find(
        &self,
        collection: &str,
        filter: Document,
        mut options: FindOptions,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        options.max_time = Some(self.circuit.settings.server_time());
        self.circuit
            .call(|live| async move {
                let documents = live.collection(collection);
                documents.find(filter).with_options(options).await?.try_collect().await
            })
            .await
    }
}

impl Live {
    pub(super) fn collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        self.database.collection(name)
    }
}

impl fmt::Debug for MongoDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MongoDocuments").field(&self.circuit.settings).finish()
    }
}

#[async_trait]
impl Probe for MongoDocuments {
    async fn check(&self) -> Result<(), StoreError> {
        self.circuit.call(|live| async move { ping(&live.database).await }).await
    }

    fn is_away(&self) -> bool {
        !self.is_available()
    }
}
