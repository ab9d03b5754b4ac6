//! The catalogue port.

use std::collections::HashMap;

use async_trait::async_trait;
use mongodb::{
    bson::{DateTime, Document, RawDocumentBuf, doc},
    options::FindOptions,
};
use watchme_actors::{
    domain::{Movie, MovieId, MovieQuery, MovieRow, Page, PageRequest, Timestamp},
    ports::{Catalogue, StoreError},
};

use super::{
    MongoDocuments,
    bulk::delete,
    documents::{MovieDocument, read, read_or_skip},
    rows::{id_of, rows_after, rows_of},
    schema::MOVIES,
    selection::{filter, numbers, order},
    upsert::upsert,
};

pub(super) const KIND: &str = "movie";
/// Pages that begin before this many movies are read while they are counted.
const NEAR: u64 = 1_000;

#[async_trait]
impl Catalogue for MongoDocuments {
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        let id = i64::from(id);
        let time = self.circuit.settings.server_time();
        self.circuit
            .call(|live| async move {
                live.collection(MOVIES).find_one(doc! { "_id": id }).max_time(time).await
            })
            .await?
            .map(|row| read::<MovieDocument>(KIND, &row).map(|stored| stored.movie))
            .transpose()
    }

    async fn by_ids(&self, ids: &[MovieId]) -> Result<Vec<Movie>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let these = doc! { "_id": { "$in": numbers(ids.iter().copied()) } };
        let rows = self.find(MOVIES, these, FindOptions::default()).await?;
        let mut found: HashMap<MovieId, Movie> = rows
            .iter()
            .filter_map(|row| read_or_skip::<MovieDocument>(KIND, row))
            .map(|stored| (stored.movie.id, stored.movie))
            .collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    async fn movies(
        &self,
        query: &MovieQuery,
        page: PageRequest,
    ) -> Result<Page<Movie>, StoreError> {
        let wanted = filter(query);
        let offset = page.offset();
        let (rows, total_items) = if offset <= NEAR {
            let (rows, counted) = tokio::try_join!(
                self.rows(wanted.clone(), order(query.sort, false), offset, page.size().into()),
                self.counted(wanted.clone()),
            )?;
            let total = agreed(rows.len() as u64, counted, page);
            (rows, total)
        } else {
            let total = self.counted(wanted.clone()).await?;
            (self.far(wanted, query, page, total).await?, total)
        };
        let readable = rows.iter().filter_map(|row| read_or_skip::<MovieDocument>(KIND, row));
        let items = readable.map(|stored| stored.movie).collect();
        Ok(Page { items, total_items, request: page })
    }

    async fn upsert(&self, movies: &[Movie]) -> Result<Vec<MovieId>, StoreError> {
        upsert(self, movies).await
    }

    async fn remove(&self, movies: &[MovieId]) -> Result<(), StoreError> {
        if movies.is_empty() {
            return Ok(());
        }
        let these = doc! { "_id": { "$in": numbers(movies.iter().copied()) } };
        delete(self, MOVIES, these).await
    }

    async fn fetched_before(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<MovieId>, StoreError> {
        if limit == 0 {
            // To the server it would mean no limit.
            return Ok(Vec::new());
        }
        let before = DateTime::from_millis(before.as_millis());
        let options = FindOptions::builder()
            .sort(doc! { "keys.fetchedAt": 1, "_id": 1 })
            .projection(doc! { "_id": 1 })
            .limit(i64::from(limit))
            .batch_size(limit)
            .build();
        let older = doc! { "keys.fetchedAt": { "$lt": before } };
        let rows = self.find(MOVIES, older, options).await?;
        Ok(rows.iter().filter_map(id_of).collect())
    }

    async fn rows_after(
        &self,
        after: Option<MovieId>,
        limit: u32,
    ) -> Result<Vec<MovieRow>, StoreError> {
        rows_after(self, after, limit).await
    }

    async fn rows_of(&self, ids: &[MovieId]) -> Result<Vec<MovieRow>, StoreError> {
        rows_of(self, ids).await
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.counted(Document::new()).await
    }
}

impl MongoDocuments {
    async fn counted(&self, wanted: Document) -> Result<u64, StoreError> {
        let time = self.circuit.settings.server_time();
        self.circuit
            .call(|live| async move {
                live.collection(MOVIES).count_documents(wanted).max_time(time).await
            })
            .await
    }

    async fn rows(
        &self,
        wanted: Document,
        sort: Document,
        skip: u64,
        limit: u64,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let options = FindOptions::builder()
            .sort(sort)
            .skip(skip)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .build();
        self.find(MOVIES, wanted, options).await
    }

    /// A page of a list whose length is known, from the end that is nearer: the last page costs
    /// no more than the first.
    async fn far(
        &self,
        wanted: Document,
        query: &MovieQuery,
        page: PageRequest,
        total: u64,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let behind = total.saturating_sub(page.offset());
        let size = behind.min(page.size().into());
        if size == 0 {
            return Ok(Vec::new());
        }
        if page.offset() < behind {
            return self.rows(wanted, order(query.sort, false), page.offset(), size).await;
        }
        let mut rows = self.rows(wanted, order(query.sort, true), behind - size, size).await?;
        rows.reverse();
        Ok(rows)
    }
}

/// The count, where a change between the two readings has parted it from the rows that were found.
fn agreed(rows: u64, counted: u64, page: PageRequest) -> u64 {
    match rows {
        0 => counted.min(page.offset()),
        short if short < u64::from(page.size()) => page.offset() + short,
        full => counted.max(page.offset() + full),
    }
}
