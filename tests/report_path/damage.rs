//! Ways round the adapters: what is lost, broken or repeated, in whichever stores a world has.

use async_nats::jetstream;
use mongodb::{
    Collection,
    bson::{Document, doc},
};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::world::World;

impl World {
    /// Does something to SQL.
    pub(crate) async fn damage(&self, statement: &str) {
        let mut hand = self.stores.hand().await;
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query(statement).execute(&mut hand).await.unwrap();
        hand.close().await.unwrap();
    }

    /// The stored reports are gone.
    pub(crate) async fn lose_reports(&self) {
        self.forget("projections", "projections").await;
    }

    /// What was done when is gone.
    pub(crate) async fn lose_sync_records(&self) {
        self.forget("sync_records", "syncRecords").await;
    }

    /// Every stored report that counts two films counts seven.
    pub(crate) async fn miscount_reports(&self) {
        if self.stores.is_embedded() {
            let wrong = "UPDATE projections SET document = replace(document, ':2', ':7')";
            self.damage_documents(wrong).await;
        } else {
            self.change_reports(doc! { "totalFilms": 2 }, doc! { "totalFilms": 7 }).await;
        }
    }

    /// No stored report can be read.
    pub(crate) async fn garble_reports(&self) {
        if self.stores.is_embedded() {
            self.damage_documents("UPDATE projections SET document = 'no JSON'").await;
        } else {
            self.change_reports(doc! {}, doc! { "totalFilms": "many" }).await;
        }
    }

    /// Has every event delivered again, in another order for every seed.
    pub(crate) async fn deliver_again(&self, seed: u64) {
        if self.stores.is_embedded() {
            self.publish_again(seed).await;
        } else {
            self.send_again(seed).await;
        }
    }

    /// The outbox is the stream.
    async fn publish_again(&self, seed: u64) {
        let mut hand = self.stores.hand().await;
        let mut tx = hand.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for statement in [
            "CREATE TEMP TABLE shuffled AS SELECT * FROM outbox".to_owned(),
            "DELETE FROM outbox".to_owned(),
            format!(
                "INSERT INTO outbox (event_id, user_id, kind, payload, created_at) \
                 SELECT event_id, user_id, kind, payload, created_at FROM shuffled \
                 ORDER BY id * (7919 + {seed}) % 41"
            ),
            "DROP TABLE shuffled".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        hand.close().await.unwrap();
    }

    /// As they are in the stream, which does not know them again without their identifiers.
    async fn send_again(&self, seed: u64) {
        let settings = self.stores.engines().unwrap().nats();
        let client = async_nats::connect(settings.servers[0].as_str()).await.unwrap();
        let context = jetstream::new(client);
        let name = format!("{}_WATCH", settings.namespace.to_string().to_uppercase());
        let stream = context.get_stream(name).await.unwrap();
        let last = stream.cached_info().state.last_sequence;
        let mut messages = Vec::new();
        for sequence in 1..=last {
            messages.push(stream.get_raw_message(sequence).await.unwrap());
        }
        messages.sort_by_key(|message| message.sequence * (7919 + seed) % 41);
        for message in messages {
            context.publish(message.subject, message.payload).await.unwrap().await.unwrap();
        }
    }

    async fn forget(&self, table: &str, collection: &str) {
        if self.stores.is_embedded() {
            self.damage_documents(&format!("DELETE FROM {table}")).await;
        } else {
            self.collection(collection).await.delete_many(doc! {}).await.unwrap();
        }
    }

    async fn change_reports(&self, which: Document, values: Document) {
        let reports = self.collection("projections").await;
        let changing = reports.update_many(which, doc! { "$set": values });
        let changed = changing.bypass_document_validation(true).await.unwrap();
        assert!(changed.modified_count > 0);
    }

    async fn damage_documents(&self, statement: &str) {
        let path = self.stores.documents_file().unwrap();
        let url = format!("sqlite://{}", path.display());
        let mut hand = SqliteConnection::connect(&url).await.unwrap();
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query(statement).execute(&mut hand).await.unwrap();
        hand.close().await.unwrap();
    }

    async fn collection(&self, name: &str) -> Collection<Document> {
        let url = self.stores.engines().unwrap().documents();
        let client = mongodb::Client::with_uri_str(url.as_str()).await.unwrap();
        client.default_database().unwrap().collection(name)
    }
}
