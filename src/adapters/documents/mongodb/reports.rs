//! The reports port. Each write is one document's, with its guard in the filter.

use std::collections::HashMap;

use async_trait::async_trait;
use mongodb::{
    bson::{Document, doc},
    options::FindOptions,
};
use watchme_actors::{
    domain::{Projection, UserId},
    ports::{Reports, StoreError},
};

use super::{
    MongoDocuments,
    documents::{ProjectionDocument, read, read_or_skip, write},
    errors::{corrupt, is_duplicate},
    schema::PROJECTIONS,
};

const KIND: &str = "projection of user";

#[async_trait]
impl Reports for MongoDocuments {
    async fn projection(&self, user: UserId) -> Result<Option<Projection>, StoreError> {
        let id = user.to_string();
        let time = self.circuit.settings.server_time();
        self.circuit
            .call(|live| async move {
                live.collection(PROJECTIONS).find_one(doc! { "_id": id }).max_time(time).await
            })
            .await?
            .map(|row| read::<ProjectionDocument>(KIND, &row)?.projection())
            .transpose()
    }

    async fn projections(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Projection>, StoreError> {
        let ids: Vec<String> = users.iter().map(UserId::to_string).collect();
        let options = FindOptions::builder().batch_size(1_000).build();
        let rows = self.find(PROJECTIONS, doc! { "_id": { "$in": ids } }, options).await?;
        let readable = rows.iter().filter_map(|row| read_or_skip::<ProjectionDocument>(KIND, row));
        let found = readable.filter_map(|stored| stored.projection().ok());
        Ok(found.map(|projection| (projection.user_id, projection)).collect())
    }

    async fn advance(&self, from_seq: u64, next: &Projection) -> Result<bool, StoreError> {
        let user = next.user_id.to_string();
        let guard = doc! { "_id": user, "lastSeq": sequence(from_seq)? };
        self.put(guard, next, from_seq == 0).await
    }

    async fn replace(&self, rebuilt: &Projection) -> Result<bool, StoreError> {
        let user = rebuilt.user_id.to_string();
        let newest = sequence(rebuilt.last_seq)?;
        // Whatever stands there unreadable, with no number at all, is older too.
        let guard = doc! {
            "_id": user,
            "$or": [{ "lastSeq": { "$lte": newest } }, { "lastSeq": { "$not": { "$type": "number" } } }],
        };
        self.put(guard, rebuilt, true).await
    }

    async fn erase(&self, user: UserId) -> Result<(), StoreError> {
        let id = user.to_string();
        self.circuit
            .call(|live| async move {
                live.collection(PROJECTIONS).delete_one(doc! { "_id": id }).await
            })
            .await
            .map(drop)
    }
}

impl MongoDocuments {
    /// Stores a projection where the guard finds the stored one, or, if `new`, where there is
    /// none; whether it did.
    async fn put(
        &self,
        guard: Document,
        projection: &Projection,
        new: bool,
    ) -> Result<bool, StoreError> {
        let document = &write(KIND, &ProjectionDocument::from(projection))?;
        let guard = &guard;
        self.circuit
            .call(|live| async move {
                let projections = live.database.collection::<Document>(PROJECTIONS);
                if new {
                    match projections.replace_one(guard.clone(), document).upsert(true).await {
                        // One is there that the guard does not want; or one that it would, which
                        // came into being while this one looked.
                        Err(error) if is_duplicate(&error) => {}
                        done => return done.map(|_| true),
                    }
                }
                let done = projections.replace_one(guard.clone(), document).await?;
                Ok(done.matched_count == 1)
            })
            .await
    }
}

fn sequence(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| corrupt(format_args!("sequence number {seq} is out of range")))
}
