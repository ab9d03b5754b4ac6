//! Real watch events of every kind.

use watchme_actors::{
    domain::{
        EventId, GenreId, GenreSet, LastFilm, MarkedMovie, Timestamp, TraceParent, UserId,
        WatchChange, WatchEvent,
    },
    ports::BusMessage,
};

/// One user's events: marked, updated, unmarked with and without a film left, erased.
pub(crate) fn events(user: UserId) -> Vec<WatchEvent> {
    let movie = || MarkedMovie {
        movie_id: 550.try_into().unwrap(),
        movie_name: "Fight \"Club\" – é".to_owned(),
        genre_ids: [18, 53]
            .map(|id| GenreId::try_from(id).unwrap())
            .into_iter()
            .collect::<GenreSet>(),
    };
    let last = |id: i64, name: &str| {
        Some(LastFilm { movie_id: id.try_into().unwrap(), movie_name: name.to_owned() })
    };
    let watched_at: Timestamp = "2026-03-01T20:15:00Z".parse().unwrap();
    let changes = [
        WatchChange::Marked { movie: movie(), watched_at, last_film: last(550, "Fight Club") },
        WatchChange::Updated { movie: movie(), watched_at, last_film: last(11, "Star Wars") },
        WatchChange::Unmarked { movie: movie(), last_film: last(11, "Star Wars") },
        WatchChange::Unmarked { movie: movie(), last_film: None },
        WatchChange::Erased,
    ];
    changes
        .into_iter()
        .zip(1..)
        .map(|(change, seq)| WatchEvent {
            id: EventId::generate(),
            user_id: user,
            seq,
            at: Timestamp::now(),
            change,
        })
        .collect()
}

/// As the outbox hands them to the bus.
pub(crate) fn messages(user: UserId) -> Vec<BusMessage> {
    events(user)
        .iter()
        .map(|event| BusMessage {
            event_id: event.id,
            user_id: event.user_id,
            kind: event.change.kind().to_owned(),
            payload: serde_json::to_string(event).unwrap(),
            at: event.at,
            repetition: 0,
            traceparent: (event.seq % 2 == 1).then(TraceParent::generate),
            unreadable: None,
        })
        .collect()
}
