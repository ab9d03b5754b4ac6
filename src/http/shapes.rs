//! The shapes of answers that more than one file sends.

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;
use watchme_actors::domain::{
    Email, GenreId, GenreList, GenreSet, Movie, MovieId, PackageName, PackageRef, PersonName,
    Subscription, SubscriptionId, Timestamp, User, UserId,
};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User, example = json!({
    "id": "0190f5fe-7c00-7a00-8000-000000000001", "email": "ada@example.com", "name": "Ada",
    "emailVerified": true, "pendingEmail": null, "role": "user", "status": "active",
    "createdAt": "2026-03-01T20:15:00Z", "updatedAt": "2026-03-01T20:15:00Z"}))]
pub(crate) struct UserBody {
    #[schema(value_type = Uuid)]
    id: UserId,
    /// In lower case.
    #[schema(value_type = String, format = "email", max_length = 254)]
    email: Email,
    /// Whether the address needs no verification (any more).
    email_verified: bool,
    /// The address that the account is to have once it is verified.
    #[schema(value_type = Option<String>, required = true, format = "email", max_length = 254)]
    pending_email: Option<Email>,
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    name: PersonName,
    #[schema(value_type = RoleWord)]
    role: &'static str,
    #[schema(value_type = StatusWord)]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// What an account may do.
#[derive(ToSchema)]
#[schema(as = Role, rename_all = "lowercase")]
#[allow(dead_code, reason = "describes the words in the OpenAPI document")]
pub(crate) enum RoleWord {
    User,
    Admin,
}

/// Whether an account may be used.
#[derive(ToSchema)]
#[schema(as = UserStatus, rename_all = "lowercase")]
#[allow(dead_code, reason = "describes the words in the OpenAPI document")]
pub(crate) enum StatusWord {
    Active,
    Disabled,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified,
            pending_email: user.pending_email,
            name: user.name,
            role: user.role.as_str(),
            status: user.status.as_str(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A genre, named.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GenreRef, example = json!({"id": 18, "name": "Drama"}))]
pub(crate) struct GenreRef {
    /// TMDb's number.
    #[schema(value_type = u32, minimum = 1, maximum = 2147483647)]
    id: GenreId,
    name: String,
}

/// TMDb's number of a genre.
#[derive(ToSchema)]
#[schema(minimum = 1, maximum = 2147483647)]
#[allow(dead_code, reason = "describes the numbers in the OpenAPI document")]
pub(crate) struct GenreNumber(u32);

/// The genres of a set with their names now.
pub(crate) fn named(set: &GenreSet, genres: &GenreList) -> Vec<GenreRef> {
    set.iter().map(|id| GenreRef { id, name: genres.name(id) }).collect()
}

/// A package in one of its versions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageRef)]
pub(crate) struct PackageRefBody {
    #[schema(value_type = Uuid)]
    id: watchme_actors::domain::PackageId,
    #[schema(value_type = String)]
    name: PackageName,
    #[schema(minimum = 1)]
    version: u32,
}

impl From<PackageRef> for PackageRefBody {
    fn from(package: PackageRef) -> Self {
        Self { id: package.id, name: package.name, version: package.version }
    }
}

/// A user's hold on a package.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Subscription, example = json!({
    "id": "0190f5fe-7c00-7a00-8000-000000000003", "userId": "0190f5fe-7c00-7a00-8000-000000000001",
    "package": {"id": "0190f5fe-7c00-7a00-8000-000000000002", "name": "Evenings", "version": 1},
    "startsAt": "2026-03-01T20:15:00Z", "endsAt": null}))]
pub(crate) struct SubscriptionBody {
    #[schema(value_type = Uuid)]
    id: SubscriptionId,
    #[schema(value_type = Uuid)]
    user_id: UserId,
    /// In the version that counts for this subscription.
    package: PackageRefBody,
    /// Inclusive.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    /// Exclusive; null while it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
}

impl From<Subscription> for SubscriptionBody {
    fn from(subscription: Subscription) -> Self {
        Self {
            id: subscription.id,
            user_id: subscription.user_id,
            package: subscription.package.into(),
            starts_at: subscription.starts_at,
            ends_at: subscription.ends_at,
        }
    }
}

/// A movie of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Movie, example = json!({
    "id": 550, "title": "Fight Club", "originalTitle": "Fight Club", "originalLanguage": "en",
    "overview": "…", "releaseDate": "1999-10-15", "genres": [{"id": 18, "name": "Drama"}],
    "popularity": 61.4, "voteAverage": 8.4, "voteCount": 26280,
    "posterUrl": "https://image.tmdb.org/t/p/w500/pB8BM7pdSp6B6Ih7QZ4DrQ3PmJK.jpg",
    "backdropUrl": null}))]
pub(crate) struct MovieBody {
    /// TMDb's number.
    #[schema(value_type = u32, minimum = 1, maximum = 2147483647)]
    id: MovieId,
    title: String,
    original_title: String,
    /// ISO 639-1; empty where it is not known.
    original_language: String,
    overview: String,
    /// Null where it is not known.
    #[schema(value_type = Option<String>, format = Date)]
    release_date: Option<jiff::civil::Date>,
    genres: Vec<GenreRef>,
    #[schema(minimum = 0)]
    popularity: f64,
    #[schema(minimum = 0, maximum = 10)]
    vote_average: f64,
    #[schema(minimum = 0)]
    vote_count: u32,
    #[schema(format = "uri")]
    poster_url: Option<String>,
    #[schema(format = "uri")]
    backdrop_url: Option<String>,
}

impl MovieBody {
    pub(crate) fn new(movie: &Movie, genres: &GenreList, images: &Url) -> Self {
        let base = images.as_str().trim_end_matches('/');
        let image = |size: &str, path: &Option<String>| {
            path.as_ref().map(|path| format!("{base}/{size}{path}"))
        };
        Self {
            id: movie.id,
            title: movie.title.clone(),
            original_title: movie.original_title.clone(),
            original_language: movie.original_language.clone(),
            overview: movie.overview.clone(),
            release_date: movie.release_date,
            genres: named(&movie.genres, genres),
            popularity: movie.popularity,
            vote_average: movie.vote_average,
            vote_count: movie.vote_count,
            poster_url: image("w500", &movie.poster_path),
            backdrop_url: image("w1280", &movie.backdrop_path),
        }
    }
}

// The schemas above name `Uuid` in their attributes only.
const _: fn() -> Uuid = Uuid::nil;
