//! Setting, correcting and removing marks, and their events.

use futures_util::future::join_all;

use super::super::setup::{
    at, events, genres, movie, movie_id, request, request_viewed, viewer, viewing,
};
use crate::{
    domain::{
        FoldOutcome, LastFilm, MarkedMovie, Precision, Projection, UserId, Viewing, WatchChange,
        WatchEvent,
    },
    ports::{AddPlay, MarkMovie, WatchError},
    testing::SqlPorts,
};

fn last(id: i64) -> Option<LastFilm> {
    Some(LastFilm { movie_id: movie_id(id), movie_name: format!("Movie {id}") })
}

fn last_film(event: &WatchEvent) -> Option<LastFilm> {
    match &event.change {
        WatchChange::Marked { last_film, .. }
        | WatchChange::Unmarked { last_film, .. }
        | WatchChange::Updated { last_film, .. } => last_film.clone(),
        WatchChange::Erased => None,
    }
}

/// A new mark without a viewing was watched now; it is stored with one play and one event.
pub async fn a_new_mark_is_kept_with_its_play_and_event(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let asked = MarkMovie { movie: Some(movie(7, &[99, 18])), ..request(ada, 7, 5) };
    let marked = ports.watch_log.mark(asked).await.unwrap();
    assert!(marked.created);
    let mark = &marked.mark;
    assert_eq!(mark.movie, movie(7, &[18, 99]));
    assert_eq!((mark.watched_at, mark.marked_at, mark.marked_seq), (at(5), at(5), 1));
    assert_eq!(mark.plays.len(), 1);
    assert_eq!(mark.plays[0].viewing, viewing(5));
    let stored = ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap();
    assert_eq!(stored.as_ref(), Some(mark));
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(8)).await.unwrap(), None);
    assert_eq!(ports.watch_log.mark_of(UserId::generate(), movie_id(7)).await.unwrap(), None);

    let events = events(ports).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].user_id, events[0].seq, events[0].at), (ada, 1, at(5)));
    let movie = MarkedMovie {
        movie_id: movie_id(7),
        movie_name: "Movie 7".into(),
        genre_ids: genres(&[18, 99]),
    };
    let change = WatchChange::Marked { movie, watched_at: at(5), last_film: last(7) };
    assert_eq!(events[0].change, change);
}

/// A new mark with a viewing keeps it as it was given.
pub async fn a_new_mark_keeps_its_viewing(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let day = Viewing { watched_at: at(-90_000), precision: Precision::Day };
    let asked = MarkMovie { viewing: Some(day), ..request(ada, 7, 5) };
    let mark = ports.watch_log.mark(asked).await.unwrap().mark;
    assert_eq!((mark.watched_at, mark.marked_at), (at(-90_000), at(5)));
    assert_eq!(mark.plays[0].viewing, day);
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap(), Some(mark));
}

/// Marking again needs neither the movie nor an entitlement and changes nothing, also with the
/// viewing that the mark has.
pub async fn marking_again_changes_nothing(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let first = ports.watch_log.mark(request_viewed(ada, 7, 5, 3)).await.unwrap().mark;
    let held = ports.subscriptions.holdings(ada, at(6)).await.unwrap();
    ports.subscriptions.cancel(held[0].subscription, at(6), at(6)).await.unwrap();
    for asked in [
        request(ada, 7, 10),
        MarkMovie { movie: None, ..request(ada, 7, 11) },
        MarkMovie { movie: Some(movie(7, &[1, 2, 3])), ..request(ada, 7, 12) },
        request_viewed(ada, 7, 13, 3),
    ] {
        let again = ports.watch_log.mark(asked).await.unwrap();
        assert!(!again.created);
        assert_eq!(again.mark, first);
    }
    assert_eq!(events(ports).await.len(), 1);
    assert_eq!(ports.watch_log.sequences(&[ada]).await.unwrap()[0].seq, 1);
    let gone = ports.watch_log.mark(request(UserId::generate(), 7, 5)).await;
    assert!(matches!(gone, Err(WatchError::UserNotFound)));
}

/// Of requests for the same mark at the same time one makes it, and there is one event.
pub async fn marking_at_once_makes_one(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let marked = join_all((0..16).map(|_| ports.watch_log.mark(request(ada, 7, 5)))).await;
    let marked: Vec<_> = marked.into_iter().map(Result::unwrap).collect();
    assert_eq!(marked.iter().filter(|marked| marked.created).count(), 1);
    assert!(marked.iter().all(|other| other.mark == marked[0].mark));
    assert_eq!(events(ports).await.len(), 1);
}

/// Marking again with another viewing corrects the latest play, in either direction.
pub async fn another_viewing_corrects_the_latest_play(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let first = ports.watch_log.mark(request_viewed(ada, 7, 5, 100)).await.unwrap().mark;
    for (seq, watched) in [(2, 50), (3, 200)] {
        let marked = ports.watch_log.mark(request_viewed(ada, 7, 10, watched)).await.unwrap();
        assert!(!marked.created);
        assert_eq!(marked.mark.watched_at, at(watched));
        assert_eq!((marked.mark.marked_at, marked.mark.marked_seq), (at(5), 1));
        assert_eq!(marked.mark.plays.len(), 1);
        assert_eq!(marked.mark.plays[0].id, first.plays[0].id);
        assert_eq!(ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap(), Some(marked.mark));
        let event = events(ports).await.pop().unwrap();
        assert_eq!((event.seq, event.at), (seq, at(10)));
        assert!(matches!(
            event.change,
            WatchChange::Updated { watched_at, .. } if watched_at == at(watched)
        ));
    }
}

/// A correction of the precision alone is stored, and no event.
pub async fn a_correction_of_precision_is_no_event(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 3)).await.unwrap();
    let day = Viewing { watched_at: at(3), precision: Precision::Day };
    let asked = MarkMovie { viewing: Some(day), ..request(ada, 7, 10) };
    let mark = ports.watch_log.mark(asked).await.unwrap().mark;
    assert_eq!(mark.plays[0].viewing, day);
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap(), Some(mark));
    assert_eq!(events(ports).await.len(), 1);
}

/// When the corrected play falls behind another, the mark has the other's time.
pub async fn a_correction_may_make_another_play_the_latest(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 100)).await.unwrap();
    let earlier = AddPlay { user: ada, movie_id: movie_id(7), viewing: viewing(80), now: at(6) };
    ports.watch_log.add_play(earlier, None).await.unwrap();
    let mark = ports.watch_log.mark(request_viewed(ada, 7, 10, 60)).await.unwrap().mark;
    assert_eq!(mark.watched_at, at(80));
    let watched: Vec<_> = mark.plays.iter().map(|play| play.viewing.watched_at).collect();
    assert_eq!(watched, [at(80), at(60)]);
    let again = ports.watch_log.mark(request_viewed(ada, 7, 11, 60)).await.unwrap().mark;
    assert_eq!(again, mark, "the same request again corrects no other play");
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap(), Some(mark));
    let event = events(ports).await.pop().unwrap();
    assert!(matches!(
        event.change,
        WatchChange::Updated { watched_at, .. } if watched_at == at(80)
    ));
}

/// Unmarking needs no entitlement, takes the plays along, and says so once.
pub async fn unmarking_removes_everything_of_the_mark(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request(ada, 7, 5)).await.unwrap();
    let held = ports.subscriptions.holdings(ada, at(6)).await.unwrap();
    ports.subscriptions.cancel(held[0].subscription, at(6), at(6)).await.unwrap();
    assert!(ports.watch_log.unmark(ada, movie_id(7), at(8)).await.unwrap());
    assert!(!ports.watch_log.unmark(ada, movie_id(7), at(9)).await.unwrap());
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap(), None);
    let events = events(ports).await;
    assert_eq!(events.len(), 2);
    assert_eq!((events[1].seq, events[1].at), (2, at(8)));
    let WatchChange::Unmarked { movie, last_film } = &events[1].change else {
        panic!("it was unmarked: {:?}", events[1]);
    };
    assert_eq!((movie.movie_id, movie.genre_ids.clone()), (movie_id(7), genres(&[18])));
    assert_eq!(*last_film, None);
    let gone = ports.watch_log.unmark(UserId::generate(), movie_id(7), at(9)).await;
    assert!(matches!(gone, Err(WatchError::UserNotFound)));
}

/// Each user's changes are counted from 1 without a gap; what changes nothing takes no number.
pub async fn numbers_have_no_gap(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let bob = viewer(ports, "bob").await;
    for user in [ada, bob] {
        ports.watch_log.mark(request(user, 1, 1)).await.unwrap();
        ports.watch_log.mark(request(user, 1, 2)).await.unwrap();
        ports.watch_log.unmark(user, movie_id(2), at(3)).await.unwrap();
        let refused = MarkMovie { movie: Some(movie(3, &[99])), ..request(user, 3, 4) };
        assert!(ports.watch_log.mark(refused).await.is_err());
        ports.watch_log.unmark(user, movie_id(1), at(5)).await.unwrap();
        let marked = ports.watch_log.mark(request(user, 1, 6)).await.unwrap();
        assert!(marked.created);
        assert_eq!(marked.mark.marked_seq, 3);
    }
    for user in [ada, bob] {
        let events = events(ports).await;
        let seqs: Vec<_> =
            events.iter().filter(|event| event.user_id == user).map(|event| event.seq).collect();
        assert_eq!(seqs, [1, 2, 3]);
    }
}

/// The same when changes come at once: the outbox has them in the order of their numbers.
pub async fn numbers_have_no_gap_at_once(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let done = join_all((0..32).map(|n| async move {
        let id = n / 2 + 1;
        if n % 2 == 0 {
            ports.watch_log.mark(request(ada, id, n)).await.map(|_| ())
        } else {
            ports.watch_log.unmark(ada, movie_id(id), at(n)).await.map(|_| ())
        }
    }))
    .await;
    assert!(done.iter().all(Result::is_ok));
    let events = events(ports).await;
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let history = ports.watch_log.history(ada).await.unwrap().unwrap();
    assert_eq!(history.seq, events.len() as u64);
}

/// Each event carries the last film that results: the latest viewing, ties to the latest mark.
pub async fn the_last_film_is_the_latest_viewing(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let newest = async || last_film(&events(ports).await.pop().unwrap());
    ports.watch_log.mark(request_viewed(ada, 1, 10, 100)).await.unwrap();
    ports.watch_log.mark(request_viewed(ada, 2, 11, 50)).await.unwrap();
    assert_eq!(newest().await, last(1), "a mark that was set later but watched earlier");
    ports.watch_log.mark(request_viewed(ada, 3, 12, 100)).await.unwrap();
    assert_eq!(newest().await, last(3), "a tie goes to the latest mark");
    ports.watch_log.mark(request_viewed(ada, 1, 13, 101)).await.unwrap();
    assert_eq!(newest().await, last(1));
    ports.watch_log.mark(request_viewed(ada, 1, 14, 100)).await.unwrap();
    assert_eq!(newest().await, last(3), "a correction does not make a mark later");
    ports.watch_log.unmark(ada, movie_id(3), at(15)).await.unwrap();
    assert_eq!(newest().await, last(1));
    ports.watch_log.unmark(ada, movie_id(1), at(16)).await.unwrap();
    assert_eq!(newest().await, last(2));
    ports.watch_log.unmark(ada, movie_id(2), at(17)).await.unwrap();
    assert_eq!(newest().await, None);
}

/// Folding the events one by one comes to the same projection as building it from the marks.
pub async fn events_add_up_to_the_history(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    for step in 0..60_i64 {
        // A walk over few movies, so that all kinds of change happen on all of them.
        let id = (step * 7) % 5 + 1;
        match step % 4 {
            0 | 1 => {
                let ids: &[i64] = if id % 2 == 0 { &[18, 35, 99] } else { &[18] };
                let asked = MarkMovie {
                    movie: Some(movie(id, ids)),
                    ..request_viewed(ada, id, step, (step * 13) % 17)
                };
                ports.watch_log.mark(asked).await.unwrap();
            }
            2 => {
                let viewing = viewing((step * 11) % 23);
                let play = AddPlay { user: ada, movie_id: movie_id(id), viewing, now: at(step) };
                let added = ports.watch_log.add_play(play, None).await;
                assert!(matches!(added, Ok(_) | Err(WatchError::MarkNotFound)));
            }
            _ => {
                ports.watch_log.unmark(ada, movie_id(id), at(step)).await.unwrap();
            }
        }
    }
    let mut folded = Projection::empty(ada);
    for event in events(ports).await {
        folded = match folded.fold(&event) {
            FoldOutcome::Applied(next) => next,
            other => panic!("{event:?} was not the next one: {other:?}"),
        };
    }
    let history = ports.watch_log.history(ada).await.unwrap().unwrap();
    assert!(history.seq > 20, "the walk changed something");
    assert_eq!(folded, Projection::rebuilt(ada, history.seq, &history.marks));
}
