//! Genres, sets of them, and the synced list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GenreId, Timestamp};

/// A genre as it is stored. One that TMDb drops is retired, never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Genre {
    /// TMDb's number.
    pub id: GenreId,
    /// Its name in the catalogue's language.
    pub name: String,
    /// TMDb does not list it any more.
    pub retired: bool,
    /// When its name or its retirement last changed.
    pub updated_at: Timestamp,
}

/// A genre of the metadata source, with its name found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteGenre {
    /// TMDb's number.
    pub id: GenreId,
    /// Never blank.
    pub name: String,
}

/// A genre as one answer of the metadata source lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGenre {
    /// TMDb's number.
    pub id: GenreId,
    /// `None` where the answer's language has none.
    pub name: Option<String>,
}

/// The list with every name: in its own language, else in English, else by number.
#[must_use]
pub fn named_genres(listed: &[ListedGenre], english: &[ListedGenre]) -> Vec<RemoteGenre> {
    let in_english = |id| english.iter().find(|other| other.id == id)?.name.clone();
    let named = |genre: &ListedGenre| {
        let name = genre.name.clone().or_else(|| in_english(genre.id));
        let name = name.unwrap_or_else(|| format!("Genre {}", genre.id));
        RemoteGenre { id: genre.id, name }
    };
    listed.iter().map(named).collect()
}

impl From<RemoteGenre> for ListedGenre {
    fn from(genre: RemoteGenre) -> Self {
        Self { id: genre.id, name: Some(genre.name) }
    }
}

/// A set of genres: sorted, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<GenreId>")]
pub struct GenreSet(Vec<GenreId>);

impl GenreSet {
    /// Whether it has no genre.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many genres it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the genre is in it.
    #[must_use]
    pub fn contains(&self, genre: GenreId) -> bool {
        self.0.binary_search(&genre).is_ok()
    }

    /// The genres, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = GenreId> + '_ {
        self.0.iter().copied()
    }

    /// Whether every genre of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|genre| other.contains(genre))
    }

    /// Whether the two have a genre in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.iter().any(|genre| other.contains(genre))
    }

    /// The genres that both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|genre| other.contains(*genre)).collect()
    }
}

impl From<Vec<GenreId>> for GenreSet {
    fn from(mut genres: Vec<GenreId>) -> Self {
        genres.sort_unstable();
        genres.dedup();
        Self(genres)
    }
}

impl FromIterator<GenreId> for GenreSet {
    fn from_iter<I: IntoIterator<Item = GenreId>>(genres: I) -> Self {
        genres.into_iter().collect::<Vec<_>>().into()
    }
}

/// The synced list of genres, as one snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenreList(BTreeMap<GenreId, Genre>);

impl GenreList {
    /// Every genre, retired ones included, in order of id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Genre> {
        self.0.values()
    }

    /// Whether nothing was ever synced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One genre.
    #[must_use]
    pub fn get(&self, id: GenreId) -> Option<&Genre> {
        self.0.get(&id)
    }

    /// The name, or a stand-in for a genre that no sync has brought.
    #[must_use]
    pub fn name(&self, id: GenreId) -> String {
        self.get(id).map_or_else(|| format!("Genre {id}"), |genre| genre.name.clone())
    }

    /// What has to be written so that this list says what the source says: new and renamed
    /// genres, genres that came back, and genres that the source dropped (retired).
    #[must_use]
    pub fn changes_to_match(&self, source: &[RemoteGenre], now: Timestamp) -> Vec<Genre> {
        let listed: BTreeMap<GenreId, &RemoteGenre> =
            source.iter().map(|genre| (genre.id, genre)).collect();
        let named = listed.values().filter_map(|genre| {
            let same = self.get(genre.id).is_some_and(|old| old.name == genre.name && !old.retired);
            (!same).then(|| Genre {
                id: genre.id,
                name: genre.name.clone(),
                retired: false,
                updated_at: now,
            })
        });
        let dropped = self
            .iter()
            .filter(|old| !old.retired && !listed.contains_key(&old.id))
            .map(|old| Genre { retired: true, updated_at: now, ..old.clone() });
        named.chain(dropped).collect()
    }
}

impl FromIterator<Genre> for GenreList {
    fn from_iter<I: IntoIterator<Item = Genre>>(genres: I) -> Self {
        Self(genres.into_iter().map(|genre| (genre.id, genre)).collect())
    }
}
