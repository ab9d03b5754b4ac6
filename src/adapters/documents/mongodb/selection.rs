//! [`MovieQuery`] as a filter. It has to agree with [`MovieQuery::matches`] in every case.

use mongodb::bson::{Bson, Document, doc};
use watchme_actors::domain::{
    EntitlementMode, GenreMode, GenreSet, MovieQuery, MovieSort, MovieSortKey,
};

const GENRES: &str = "movie.genres";
const RELEASED: &str = "keys.released";

/// The movies that match.
pub(super) fn filter(query: &MovieQuery) -> Document {
    let mut all = genre_conditions(query);
    let filter = &query.filter;
    if let Some(year) = filter.year_from {
        all.push(doc! { RELEASED: { "$gte": i64::from(year) * 10_000 } });
    }
    if let Some(year) = filter.year_to {
        all.push(doc! { RELEASED: { "$lt": (i64::from(year) + 1) * 10_000 } });
    }
    if let Some(rating) = filter.min_rating {
        all.push(doc! { "movie.voteAverage": { "$gte": rating } });
    }
    if let Some(language) = &filter.language {
        all.push(doc! { "movie.originalLanguage": language });
    }
    if let Some(watched) = query.watched {
        let ids = numbers(query.watched_movies.iter().copied());
        all.push(doc! { "_id": { if watched { "$in" } else { "$nin" }: ids } });
    }
    if let Some(text) = &filter.text {
        // Not a regular expression: those have a greatest length, and know no zero characters.
        let text = text.to_lowercase();
        let within =
            |key: &str| doc! { "$gte": [{ "$indexOfBytes": [key, { "$literal": &text }] }, 0] };
        let either = [within("$keys.title"), within("$keys.originalTitle")];
        all.push(doc! { "$expr": { "$or": either.to_vec() } });
    }
    doc! { "$and": all }
}

fn genre_conditions(query: &MovieQuery) -> Vec<Document> {
    let wanted = &query.filter.genres;
    let permitted = &query.entitlement.genres;
    let mut all = Vec::new();
    if !wanted.is_empty() {
        let word = match query.filter.genre_mode {
            GenreMode::Any => "$in",
            GenreMode::All => "$all",
        };
        all.push(doc! { GENRES: { word: set(wanted) } });
    }
    // A movie that has a wanted genre has a permitted one, when all wanted ones are permitted.
    if wanted.is_empty() || !wanted.is_subset(permitted) {
        all.push(doc! { GENRES: { "$in": set(permitted) } });
    }
    if query.entitlement.mode == EntitlementMode::All {
        all.push(doc! { GENRES: { "$not": { "$elemMatch": { "$nin": set(permitted) } } } });
    }
    if !query.filter.excluded_genres.is_empty() {
        all.push(doc! { GENRES: { "$nin": set(&query.filter.excluded_genres) } });
    }
    all
}

fn set(genres: &GenreSet) -> Vec<Bson> {
    numbers(genres.iter())
}

pub(super) fn numbers(ids: impl IntoIterator<Item = impl Into<i64>>) -> Vec<Bson> {
    ids.into_iter().map(|id| Bson::Int64(id.into())).collect()
}

/// The order, or the same one from its end. Null is the smallest value: unknown dates come first
/// when ascending, as they have to.
pub(super) fn order(sort: MovieSort, from_end: bool) -> Document {
    let key = match sort.key {
        MovieSortKey::Popularity => "movie.popularity",
        MovieSortKey::Rating => "movie.voteAverage",
        MovieSortKey::ReleaseDate => RELEASED,
        MovieSortKey::Title => "keys.title",
    };
    let way = |descending: bool| if descending { -1 } else { 1 };
    doc! { key: way(sort.descending != from_end), "_id": way(from_end) }
}
