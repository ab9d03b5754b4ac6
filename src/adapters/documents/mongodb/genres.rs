//! The genre port.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mongodb::{
    bson::{Document, doc},
    options::FindOptions,
};
use watchme_actors::{
    domain::{Genre, GenreList},
    ports::{GenreStore, StoreError},
};

use super::{
    MongoDocuments,
    bulk::{replace, update_by_id},
    documents::{GenreDocument, read_or_skip, write},
    schema::GENRES,
};

const KIND: &str = "genre";

#[async_trait]
impl GenreStore for MongoDocuments {
    async fn genres(&self) -> Result<GenreList, StoreError> {
        let rows = self.find(GENRES, Document::new(), FindOptions::default()).await?;
        let readable = rows.iter().filter_map(|row| read_or_skip::<GenreDocument>(KIND, row));
        Ok(readable.map(Genre::from).collect())
    }

    async fn save_genres(&self, genres: &[Genre]) -> Result<(), StoreError> {
        // Each once, the last one counts: the statements are carried out in no order.
        let last: BTreeMap<_, _> = genres.iter().map(|genre| (genre.id, genre)).collect();
        let statement = |genre: &Genre| {
            let document = write(KIND, &GenreDocument::from(genre))?;
            Ok(replace(doc! { "_id": i64::from(genre.id) }, document))
        };
        let statements: Result<Vec<_>, StoreError> = last.into_values().map(statement).collect();
        update_by_id(self, GENRES, statements?).await
    }
}
