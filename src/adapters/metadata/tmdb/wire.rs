//! What TMDb sends, before anything in it is believed.
//!
//! The frame of an answer (`results`, `total_pages`, `genres`) is read strictly. Each field below
//! is read leniently: missing, null and a wrong type are all `None`, so that one odd value costs
//! no more than itself.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct GenreList {
    pub(super) genres: Vec<Genre>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Genre {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) page: u32,
    pub(super) results: Vec<Value>,
    pub(super) total_pages: u64,
}

/// A movie: a row of a list or the details, which have the same fields and some more.
#[derive(Debug, Deserialize)]
pub(super) struct Movie {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) original_title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) original_language: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) overview: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) release_date: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) popularity: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) vote_average: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) vote_count: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) poster_path: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) backdrop_path: Option<String>,
    /// Of a row.
    #[serde(default, deserialize_with = "items")]
    pub(super) genre_ids: Vec<i64>,
    /// Of the details.
    #[serde(default, deserialize_with = "items")]
    pub(super) genres: Vec<Genre>,
}

/// What only the details have.
#[derive(Debug, Deserialize)]
pub(super) struct Details {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) runtime: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tagline: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) homepage: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) imdb_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) budget: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) revenue: Option<u64>,
    #[serde(default, deserialize_with = "items")]
    pub(super) production_countries: Vec<Country>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) credits: Option<Credits>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Country {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) iso_3166_1: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Credits {
    #[serde(default, deserialize_with = "items")]
    pub(super) cast: Vec<Cast>,
    #[serde(default, deserialize_with = "items")]
    pub(super) crew: Vec<Crew>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cast {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) character: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) order: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Crew {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) job: Option<String>,
}

/// The body of a refusal.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) status_code: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status_message: Option<String>,
}

fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

/// Those items of an array that can be read.
fn items<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values: Option<Vec<Value>> = lenient(deserializer)?;
    Ok(values
        .unwrap_or_default()
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok())
        .collect())
}
