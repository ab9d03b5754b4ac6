//! An index over films that do not change any more.

use roaring::RoaringBitmap;

use super::{
    films::{Films, number},
    grams::Grams,
    order::{Order, Steps},
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
        let orders = KEYS.map(|key| Order::new(key, &films, &steps));
        let grams = Grams::new(&films);
        ratings.shrink_to_fit();
        Self { films, orders, years, ratings, grams }
    }

    /// A film as it is here.
    pub(super) fn row(&self, id: MovieId) -> Option<MovieRow> {
        self.films.find(id).map(|film| self.films.row(film))
    }

    pub(super) fn order(&self, key: MovieSortKey) -> &Order {
        &self.orders[key as usize]
    }

    /// The ranks, in the query's order, of the films that match, whether watched or not.
    pub(super) fn matching(&self, query: &MovieQuery) -> RoaringBitmap {
        let order = self.order(query.sort.key);
        let (filter, permitted) = (&query.filter, &query.entitlement.genres);
        let wanted = &filter.genres;
        let mut found = match filter.genre_mode {
            _ if wanted.is_empty() => order.any_of(permitted),
            GenreMode::Any => order.any_of(wanted),
            GenreMode::All => order.all_of(wanted),
        };
        if !wanted.is_empty() && !wanted.is_subset(permitted) {
            found &= order.any_of(permitted);
        }
        if query.entitlement.mode == EntitlementMode::All {
            found -= order.beyond(permitted);
        }
        if !filter.excluded_genres.is_empty() {
            found -= order.any_of(&filter.excluded_genres);
        }
        if let Some(from) = filter.year_from {
            found &= order.years.at_least(self.year(|year| year < i32::from(from)));
        }
        if let Some(to) = filter.year_to {
            // Without a year one is in no year: only known ones begin at 1.
            found &= order.years.at_least(1);
            found -= order.years.at_least(self.year(|year| year <= i32::from(to)));
        }
        if let Some(least) = filter.min_rating {
            let enough = |rating: &f64| *rating >= least;
            let place = number(self.ratings.partition_point(|rating| !enough(rating)));
            found &= order.ratings.at_least(place);
        }
        if let Some(language) = &filter.language {
            match order.speaking(language) {
                Some(films) => found &= films,
                None => found.clear(),
            }
        }
        if let Some(text) = filter.text.as_ref().map(|text| text.to_lowercase())
            && !(text.is_empty() || found.is_empty())
        {
            found &= order.ranks_of(self.grams.containing(&self.films, &text));
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
