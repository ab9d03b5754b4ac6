//! What storing a movie over a stored one comes to.

use watchme_actors::domain::{Movie, MovieDetails, Timestamp};

/// What is to be stored; `None` when the stored movie is newer.
pub(super) fn merged(stored: Option<&Movie>, incoming: &Movie) -> Option<Movie> {
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
