//! What a list that is remembered depends on.

use std::hash::{Hash, Hasher};

use crate::domain::MovieQuery;

/// A query without what is one caller's alone.
#[derive(PartialEq)]
pub(super) struct ListKey(MovieQuery);

impl ListKey {
    /// Of a query that asks for watched films and others alike.
    pub(super) fn of(query: &MovieQuery) -> Self {
        Self(MovieQuery {
            filter: query.filter.clone(),
            entitlement: query.entitlement.clone(),
            watched: None,
            watched_movies: Vec::new(),
            sort: query.sort,
        })
    }

    pub(super) fn query(&self) -> &MovieQuery {
        &self.0
    }
}

// The query holds one float, the lowest rating. One that is no number equals nothing, itself
// included: its list is not found again, which costs time only.
impl Eq for ListKey {}

impl Hash for ListKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let filter = &self.0.filter;
        (&filter.genres, filter.genre_mode, &filter.excluded_genres).hash(state);
        (filter.year_from, filter.year_to, &filter.language, &filter.text).hash(state);
        // Adding zero makes −0 and 0, which are equal, hash alike.
        filter.min_rating.map(|rating| (rating + 0.0).to_bits()).hash(state);
        (&self.0.entitlement, self.0.sort).hash(state);
    }
}
