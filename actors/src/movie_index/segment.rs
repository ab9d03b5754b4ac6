//! An index over films that do not change any more.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    films::{Films, number},
    grams::Grams,
    order::{Order, Steps},
    parts::{Part, Parts},
};
use crate::domain::{EntitlementMode, GenreMode, MovieId, MovieQuery, MovieRow, MovieSortKey};

/// In the order of their declaration.
const KEYS: [MovieSortKey; 4] = [
    MovieSortKey::Popularity,
    MovieSortKey::Rating,
    MovieSortKey::ReleaseDate,
    MovieSortKey::Title,
];

pub(super) struct Segment {
    pub(super) films: Films,
    orders: [Order; KEYS.len()],
    parts: Parts,
    /// The years of release that there are, ascending.
    years: Vec<i32>,
    /// The same of ratings.
    ratings: Vec<f64>,
    grams: Grams,
}

impl Segment {
    pub(super) fn new(mut films: Films) -> Self {
        films.shrink();
        let mut years: Vec<i32> = films.years().flatten().collect();
        years.sort_unstable();
        years.dedup();
        let mut ratings = films.ratings().to_vec();
        ratings.sort_unstable_by(f64::total_cmp);
        // Not by `==`: −0 and 0 are two places.
        ratings.dedup_by_key(|rating| rating.to_bits());
        let year_of = |year: Option<i32>| {
            year.map_or(0, |year| 1 + number(years.partition_point(|other| *other < year)))
        };
        let rating_of =
            |rating: &f64| number(ratings.partition_point(|other| other.total_cmp(rating).is_lt()));
        let steps = Steps {
            year_of: films.years().map(year_of).collect(),
            rating_of: films.ratings().iter().map(rating_of).collect(),
        };
        let parts = Parts::new(films.len());
        let orders = KEYS.map(|key| Order::new(key, &films, &steps));
        let grams = Grams::new(&films);
        ratings.shrink_to_fit();
        Self { films, orders, parts, years, ratings, grams }
    }

    /// A film as it is here.
    pub(super) fn row(&self, id: MovieId) -> Option<MovieRow> {
        self.films.find(id).map(|film| self.films.row(film))
    }

    pub(super) fn order(&self, key: MovieSortKey) -> &Order {
        &self.orders[key as usize]
    }

    /// The ranks, in the query's order, of the films that match, whether watched or not.
    pub(super) fn matching(&self, query: &MovieQuery) -> Arc<RoaringBitmap> {
        let order = self.order(query.sort.key);
        let part = |part| self.parts.get(order, part);
        let (filter, permitted) = (&query.filter, &query.entitlement.genres);
        let wanted = filter.genres.clone();
        let mut found = match filter.genre_mode {
            _ if wanted.is_empty() => part(Part::AnyOf(permitted.clone())),
            GenreMode::Any => part(Part::AnyOf(wanted)),
            GenreMode::All => part(Part::AllOf(wanted)),
        };
        let mut keep = |films: &RoaringBitmap| intersect(&mut found, films);
        let wanted = &filter.genres;
        if !wanted.is_empty() && !wanted.is_subset(permitted) {
            keep(&part(Part::AnyOf(permitted.clone())));
        }
        if let Some(from) = filter.year_from {
            let from = self.year(|year| year < i32::from(from));
            keep(&part(Part::YearAtLeast(from)));
        }
        if filter.year_to.is_some() {
            // Without a year one is in no year: only known ones begin at 1.
            keep(&part(Part::YearAtLeast(1)));
        }
        if let Some(least) = filter.min_rating {
            let enough = |rating: &f64| *rating >= least;
            let place = number(self.ratings.partition_point(|rating| !enough(rating)));
            keep(&part(Part::RatingAtLeast(place)));
        }
        if let Some(language) = &filter.language {
            keep(order.speaking(language).unwrap_or(&RoaringBitmap::new()));
        }
        let mut drop = |films: &RoaringBitmap| subtract(&mut found, films);
        if query.entitlement.mode == EntitlementMode::All {
            drop(&part(Part::Beyond(permitted.clone())));
        }
        if !filter.excluded_genres.is_empty() {
            drop(&order.any_of(&filter.excluded_genres));
        }
        if let Some(to) = filter.year_to {
            let after = self.year(|year| year <= i32::from(to));
            drop(&part(Part::YearAtLeast(after)));
        }
        if let Some(text) = filter.text.as_ref().map(|text| text.to_lowercase())
            && !(text.is_empty() || found.is_empty())
        {
            let containing = order.ranks_of(self.grams.containing(&self.films, &text));
            intersect(&mut found, &containing);
        }
        found
    }

    /// The number of the first year that is not smaller, as a predicate says.
    fn year(&self, smaller: impl Fn(i32) -> bool) -> u32 {
        1 + number(self.years.partition_point(|year| smaller(*year)))
    }

    /// The ranks of those of some movies that are here.
    pub(super) fn ranks_of(&self, key: MovieSortKey, movies: &[MovieId]) -> RoaringBitmap {
        let films: RoaringBitmap = movies.iter().filter_map(|id| self.films.find(*id)).collect();
        self.order(key).ranks_of(films)
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let orders: usize = self.orders.iter().map(Order::bytes).sum();
        self.films.bytes() + orders + self.grams.bytes() + self.ratings.len() * size_of::<f64>()
    }
}

/// Where the set is shared it is not copied first.
fn intersect(found: &mut Arc<RoaringBitmap>, films: &RoaringBitmap) {
    match Arc::get_mut(found) {
        Some(found) => *found &= films,
        None => *found = Arc::new(&**found & films),
    }
}

fn subtract(found: &mut Arc<RoaringBitmap>, films: &RoaringBitmap) {
    if films.is_empty() {
        return;
    }
    match Arc::get_mut(found) {
        Some(found) => *found -= films,
        None => *found = Arc::new(&**found - films),
    }
}
