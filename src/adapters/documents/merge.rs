//! What storing movies over stored ones comes to.

use std::collections::HashMap;

use watchme_actors::domain::{Movie, MovieDetails, MovieId, Timestamp};

/// What is to be written, each movie once even where the batch has it twice, in the batch's order.
pub(super) fn outcome<'a>(
    before: &HashMap<MovieId, Movie>,
    batch: impl IntoIterator<Item = &'a Movie>,
) -> Vec<Movie> {
    let mut order = Vec::new();
    let mut after: HashMap<MovieId, Movie> = HashMap::new();
    for movie in batch {
        let current = after.get(&movie.id).or_else(|| before.get(&movie.id));
        if let Some(next) = merged(current, movie)
            && after.insert(movie.id, next).is_none()
        {
            order.push(movie.id);
        }
    }
    order.into_iter().filter_map(|id| after.remove(&id)).collect()
}

/// What is to be stored; `None` when the stored movie is newer.
fn merged(stored: Option<&Movie>, incoming: &Movie) -> Option<Movie> {
    match stored {
        Some(stored) if stored.fetched_at > incoming.fetched_at => None,
        Some(stored) if incoming.details.is_none() => {
            Some(Movie { details: stored.details.clone(), ..incoming.clone() })
        }
        _ => Some(incoming.clone()),
    }
}

/// Whether two versions of a movie differ in nothing but when they were fetched.
pub(super) fn same_facts(one: &Movie, other: &Movie) -> bool {
    timeless(one) == timeless(other)
}

fn timeless(movie: &Movie) -> Movie {
    let movie = movie.clone();
    let details =
        movie.details.map(|details| MovieDetails { fetched_at: Timestamp::EPOCH, ..details });
    Movie { details, fetched_at: Timestamp::EPOCH, ..movie }
}
