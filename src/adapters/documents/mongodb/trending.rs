//! The trending port.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use watchme_actors::{
    domain::{Hour, MovieId},
    ports::{StoreError, TrendingStore},
};

use super::{
    MongoDocuments,
    bulk::{BATCH, delete, update_by_id},
    schema::SCORES,
};

#[async_trait]
impl TrendingStore for MongoDocuments {
    async fn add_scores(&self, hour: Hour, scores: &[(MovieId, u64)]) -> Result<(), StoreError> {
        let hour = hour.number();
        let statement = |(movie, score): &(MovieId, u64)| {
            let place = doc! { "hour": hour, "movieId": i64::from(*movie) };
            let score = i64::try_from(*score).unwrap_or(i64::MAX);
            doc! {
                "q": { "_id": format!("{hour}:{movie}") },
                "u": { "$inc": { "score": score }, "$setOnInsert": place },
                "upsert": true,
            }
        };
        for batch in scores.chunks(BATCH) {
            update_by_id(self, SCORES, batch.iter().map(statement).collect()).await?;
        }
        Ok(())
    }

    async fn top_movies(&self, since: Hour, limit: u32) -> Result<Vec<(MovieId, u64)>, StoreError> {
        if limit == 0 {
            // The server refuses it.
            return Ok(Vec::new());
        }
        let summed = top(since, limit);
        let time = self.circuit.settings.server_time();
        let rows: Vec<Document> = self
            .circuit
            .call(|live| async move {
                let scores = live.database.collection::<Document>(SCORES);
                scores.aggregate(summed).max_time(time).await?.try_collect().await
            })
            .await?;
        let scored = |row: &Document| {
            let number = |key: &str| {
                let value = row.get(key)?;
                value.as_i64().or(value.as_i32().map(i64::from))
            };
            let movie = MovieId::try_from(number("_id")?).ok()?;
            Some((movie, u64::try_from(number("score")?).ok()?))
        };
        Ok(rows.iter().filter_map(scored).collect())
    }

    async fn purge_scores(&self, before: Hour) -> Result<(), StoreError> {
        let older = doc! { "hour": { "$lt": before.number() } };
        delete(self, SCORES, older).await
    }
}

pub(super) fn top(since: Hour, limit: u32) -> Vec<Document> {
    vec![
        doc! { "$match": { "hour": { "$gte": since.number() } } },
        doc! { "$group": { "_id": "$movieId", "score": { "$sum": "$score" } } },
        doc! { "$sort": { "score": -1, "_id": 1 } },
        doc! { "$limit": i64::from(limit) },
    ]
}
