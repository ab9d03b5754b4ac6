//! Lists of movies that were asked for before: a query is understood once, and a page is known by
//! what it depends on.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use actix_web::HttpRequest;
use quick_cache::{Equivalent, Weighter, sync::Cache};
use watchme_actors::domain::{Entitlement, GenreId, MovieQuery};

use super::{
    Problem,
    answers::genre_bytes,
    movies_query::{MoviesQuery, PopularQuery, SearchQuery, Wanted},
    query,
};

/// For all queries together.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Longer ones are rare, and understood anew each time.
const MAX_QUERY: usize = 512;
/// What an entry costs besides its query, about.
const OVERHEAD: usize = 512;

/// Which list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    List,
    Popular,
    Search,
}

/// Queries that were understood before, and what they ask for.
pub(crate) struct Understood(Cache<(Kind, Box<str>), Arc<Wanted>, Weighed>);

#[derive(Clone)]
struct Weighed;

impl Weighter<(Kind, Box<str>), Arc<Wanted>> for Weighed {
    fn weight(&self, (_, query): &(Kind, Box<str>), wanted: &Arc<Wanted>) -> u64 {
        (query.len() + wanted.bytes() + OVERHEAD) as u64
    }
}

/// A key that owns nothing. It hashes as the one that does.
#[derive(Hash)]
struct Asked<'a>(Kind, &'a str);

impl Equivalent<(Kind, Box<str>)> for Asked<'_> {
    fn equivalent(&self, (kind, query): &(Kind, Box<str>)) -> bool {
        self.0 == *kind && *self.1 == **query
    }
}

impl Understood {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(MAX_BYTES as usize / OVERHEAD, MAX_BYTES, Weighed))
    }

    /// What a request for a list asks for.
    ///
    /// # Errors
    /// 400 that names the parameters.
    pub(crate) fn wanted(&self, kind: Kind, req: &HttpRequest) -> Result<Arc<Wanted>, Problem> {
        let text = req.query_string();
        if text.len() > MAX_QUERY {
            return understand(kind, req).map(Arc::new);
        }
        if let Some(wanted) = self.0.get(&Asked(kind, text)) {
            return Ok(wanted);
        }
        let wanted = Arc::new(understand(kind, req)?);
        self.0.insert((kind, text.into()), Arc::clone(&wanted));
        Ok(wanted)
    }
}

fn understand(kind: Kind, req: &HttpRequest) -> Result<Wanted, Problem> {
    match kind {
        Kind::List => query::parse::<MoviesQuery>(req)?.wanted(),
        Kind::Popular => query::parse::<PopularQuery>(req)?.wanted(),
        Kind::Search => query::parse::<SearchQuery>(req)?.wanted(),
    }
}

/// What a page depends on: who may see what, and what is asked for. Not for what depends on what
/// the caller has watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) entitlement: Arc<Entitlement>,
}

impl PageKey {
    /// What is to be asked of the store; `None` when nothing can match.
    pub(crate) fn query(&self) -> Option<MovieQuery> {
        let Self { wanted, entitlement } = self;
        MovieQuery::new(wanted.filter.clone(), (**entitlement).clone(), wanted.sort)
    }

    /// What the key takes beside its fixed size.
    pub(crate) fn bytes(&self) -> usize {
        self.wanted.bytes() + genre_bytes(&self.entitlement)
    }
}

impl Wanted {
    fn bytes(&self) -> usize {
        let filter = &self.filter;
        let genres = filter.genres.len() + filter.excluded_genres.len();
        let text = filter.text.as_ref().map_or(0, String::len);
        size_of::<Self>() + genres * size_of::<GenreId>() + text
    }
}

// Its one float, the lowest rating, was checked to be finite.
impl Eq for Wanted {}

impl Hash for Wanted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let filter = &self.filter;
        (&filter.genres, filter.genre_mode, &filter.excluded_genres).hash(state);
        (filter.year_from, filter.year_to, &filter.language, &filter.text).hash(state);
        // Adding zero makes −0 and 0, which are equal, hash alike.
        filter.min_rating.map(|rating| (rating + 0.0).to_bits()).hash(state);
        (self.sort, self.watched, self.page).hash(state);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::hash::DefaultHasher;

    use actix_web::test::TestRequest;
    use watchme_actors::domain::EntitlementMode;

    use super::*;

    fn key(query: &str, genres: &[i64]) -> PageKey {
        let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        let wanted = Arc::new(understand(Kind::List, &request).unwrap());
        let genres = genres.iter().map(|id| GenreId::try_from(*id).unwrap()).collect();
        PageKey {
            wanted,
            entitlement: Arc::new(Entitlement { genres, mode: EntitlementMode::Any }),
        }
    }

    fn is_shared(one: &PageKey, other: &PageKey) -> bool {
        let hash = |key: &PageKey| {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            hasher.finish()
        };
        let equal = one == other;
        assert_eq!(equal, hash(one) == hash(other));
        equal
    }

    #[test]
    fn a_page_is_shared_by_those_who_ask_the_same_and_may_see_the_same() {
        let page = key("genreId=18,28&minRating=0", &[18, 28]);
        for same in
            ["minRating=-0&genreId=28&genreId=18", "genreId=28,18&minRating=0.0&pageNumber=1"]
        {
            assert!(is_shared(&page, &key(same, &[28, 18])), "{same}");
        }
        assert!(!is_shared(&page, &key("genreId=18,28&minRating=0", &[18])));
        for other in [
            "genreId=18,28",
            "genreId=18&minRating=0",
            "excludeGenreId=18,28&minRating=0",
            "genreId=18,28&minRating=0&genreMode=all",
            "genreId=18,28&minRating=0&yearFrom=1999",
            "genreId=18,28&minRating=0&yearTo=1999",
            "genreId=18,28&minRating=0&language=en",
            "genreId=18,28&minRating=0&sort=title",
            "genreId=18,28&minRating=0&watched=true",
            "genreId=18,28&minRating=0&pageNumber=2",
            "genreId=18,28&minRating=0&pageSize=20",
        ] {
            assert!(!is_shared(&page, &key(other, &[18, 28])), "{other}");
        }
    }

    #[test]
    fn a_query_is_understood_once() {
        let understood = Understood::new();
        let asked = |kind, query: &str| {
            let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
            understood.wanted(kind, &request)
        };
        let first = asked(Kind::List, "genreId=18").unwrap();
        assert!(Arc::ptr_eq(&first, &asked(Kind::List, "genreId=18").unwrap()));
        // What one list takes another one may not know.
        assert!(asked(Kind::Popular, "genreId=18").is_err());
        for _ in 0..2 {
            assert!(asked(Kind::List, "genreId=x").is_err());
        }
        let text = "x".repeat(MAX_QUERY);
        let long = asked(Kind::List, &format!("genreId={}", "18,".repeat(199) + "18")).unwrap();
        assert_eq!(long.filter.genres.len(), 1);
        assert!(asked(Kind::List, &text).is_err());
    }
}
