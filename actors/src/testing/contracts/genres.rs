//! Contract of the genre port.

use super::catalogue::samples::genre_id;
use crate::{
    domain::{Genre, GenreList, Timestamp},
    testing::DocumentPorts,
};

fn genre(id: i64, name: &str) -> Genre {
    Genre {
        id: genre_id(id),
        name: name.to_owned(),
        retired: false,
        updated_at: Timestamp::from_millis(1_700_000_000_123),
    }
}

async fn stored(ports: &DocumentPorts) -> Vec<Genre> {
    ports.genres.genres().await.unwrap().iter().cloned().collect()
}

/// Before the first sync there is an empty list.
pub async fn the_list_starts_empty(ports: &DocumentPorts) {
    assert_eq!(ports.genres.genres().await.unwrap(), GenreList::default());
    ports.genres.save_genres(&[]).await.unwrap();
    assert!(ports.genres.genres().await.unwrap().is_empty());
}

/// Genres read back as they were saved, retired ones included, in order of id.
pub async fn genres_read_back(ports: &DocumentPorts) {
    let retired = Genre { retired: true, ..genre(12, "Abenteuer & \"mehr\"") };
    ports.genres.save_genres(&[genre(10770, "TV Movie"), retired.clone()]).await.unwrap();
    assert_eq!(stored(ports).await, [retired, genre(10770, "TV Movie")]);
}

/// Saving replaces by id and leaves all others alone.
pub async fn saving_replaces_by_id(ports: &DocumentPorts) {
    ports.genres.save_genres(&[genre(12, "Adventure"), genre(18, "Drama")]).await.unwrap();
    let renamed = Genre {
        name: "Drame".to_owned(),
        retired: true,
        updated_at: Timestamp::from_millis(1_800_000_000_000),
        ..genre(18, "")
    };
    ports.genres.save_genres(&[renamed.clone(), genre(35, "Comedy")]).await.unwrap();
    assert_eq!(stored(ports).await, [genre(12, "Adventure"), renamed, genre(35, "Comedy")]);
}

/// One test for each case: `genres_contract!(async function giving ports)`.
#[macro_export]
macro_rules! genres_contract {
    ($make:path) => {
        $crate::contract_cases!(
            genres,
            $make,
            [the_list_starts_empty, genres_read_back, saving_replaces_by_id]
        );
    };
}
