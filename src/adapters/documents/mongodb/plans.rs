//! How the server goes about the queries that every page of the service needs.

use std::sync::Arc;

use mongodb::bson::{DateTime, Document, doc};
use watchme_actors::{
    domain::{Hour, MovieQuery, PageRequest, Timestamp},
    ports::StoreError,
};

use super::{
    MongoDocuments,
    circuit::Live,
    schema::{MOVIES, SCORES},
    selection::{filter, order},
    trending::top,
};

impl MongoDocuments {
    /// The server's plans, as it tells them: for a page of movies, its page from the other end,
    /// their count, the longest unconfirmed movies, and the trending ones. For tests, and for
    /// whoever looks into a slow catalogue.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn plans(
        &self,
        query: &MovieQuery,
        page: PageRequest,
    ) -> Result<Vec<(&'static str, Document)>, StoreError> {
        let page_of = |from_end| {
            doc! {
                "find": MOVIES,
                "filter": filter(query),
                "sort": order(query.sort, from_end),
                "skip": i64::try_from(page.offset()).unwrap_or(i64::MAX),
                "limit": i64::from(page.size()),
            }
        };
        let count = vec![
            doc! { "$match": filter(query) },
            doc! { "$group": { "_id": 1, "n": { "$sum": 1 } } },
        ];
        let before = DateTime::from_millis(Timestamp::EPOCH.as_millis());
        let queries = [
            ("page", page_of(false)),
            ("page from the end", page_of(true)),
            ("count", doc! { "aggregate": MOVIES, "pipeline": count, "cursor": {} }),
            (
                "fetched before",
                doc! {
                    "find": MOVIES,
                    "filter": { "keys.fetchedAt": { "$lt": before } },
                    "sort": { "keys.fetchedAt": 1, "_id": 1 },
                    "limit": 100,
                },
            ),
            (
                "trending",
                doc! {
                    "aggregate": SCORES,
                    "pipeline": top(Hour::of(Timestamp::now()), 20),
                    "cursor": {},
                },
            ),
        ];
        let mut plans = Vec::new();
        for (name, query) in queries {
            let explain = doc! { "explain": query, "verbosity": "queryPlanner" };
            let call = |live: Arc<Live>| async move { live.database.run_command(explain).await };
            plans.push((name, self.circuit.call(call).await?));
        }
        Ok(plans)
    }
}
