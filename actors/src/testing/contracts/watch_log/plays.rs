//! Adding and deleting viewings.

use futures_util::future::join_all;

use super::super::setup::{
    at, created_now, events, key, movie_id, request, request_viewed, viewer, viewing,
};
use crate::{
    domain::{Play, PlayId, Precision, Timestamp, UserId, Viewing, WatchChange, WatchedMark},
    ports::{AddPlay, Created, MAX_PLAYS, WatchError},
    testing::SqlPorts,
};

fn play(user: UserId, watched: i64) -> AddPlay {
    AddPlay { user, movie_id: movie_id(7), viewing: viewing(watched), now: at(50) }
}

async fn add(ports: &SqlPorts, user: UserId, watched: i64) -> Play {
    ports.watch_log.add_play(play(user, watched), None).await.unwrap().into_inner()
}

async fn stored(ports: &SqlPorts, user: UserId) -> WatchedMark {
    ports.watch_log.mark_of(user, movie_id(7)).await.unwrap().unwrap()
}

/// The moments of the events `updated`, in order.
async fn updates(ports: &SqlPorts) -> Vec<Timestamp> {
    let updated = events(ports).await.into_iter().filter_map(|event| match event.change {
        WatchChange::Updated { watched_at, .. } => Some(watched_at),
        _ => None,
    });
    updated.collect()
}

/// A play later than the others moves the mark, with an event; the mark's own time stays.
pub async fn a_later_play_moves_the_mark(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 10)).await.unwrap();
    let added = match ports.watch_log.add_play(play(ada, 20), None).await.unwrap() {
        Created::Now(play) => play,
        Created::Before(_) => panic!("it was added just now"),
    };
    let mark = stored(ports, ada).await;
    assert_eq!((mark.watched_at, mark.marked_at, mark.marked_seq), (at(20), at(5), 1));
    assert_eq!((mark.plays.len(), mark.plays[0]), (2, added));
    let event = events(ports).await.pop().unwrap();
    assert_eq!((event.seq, event.at), (2, at(50)));
    assert_eq!(updates(ports).await, [at(20)]);
}

/// A play that is not later is kept in its place, and is no event.
pub async fn an_earlier_play_is_no_event(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 10)).await.unwrap();
    let day = Viewing { watched_at: at(5), precision: Precision::Day };
    let asked = AddPlay { viewing: day, ..play(ada, 0) };
    let early = ports.watch_log.add_play(asked, None).await.unwrap().into_inner();
    let same = add(ports, ada, 10).await;
    let mark = stored(ports, ada).await;
    assert_eq!(mark.watched_at, at(10));
    assert_eq!((mark.plays.len(), mark.plays[0], mark.plays[2]), (3, same, early));
    assert_eq!(early.viewing, day);
    assert_eq!(events(ports).await.len(), 1);
}

/// What cannot be added or deleted is refused with its reason.
pub async fn plays_are_refused_with_their_reason(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let bob = viewer(ports, "bob").await;
    let gone = UserId::generate();
    let delete = |user, play| ports.watch_log.delete_play(user, movie_id(7), play, at(60));
    let none = PlayId::generate();
    let added = ports.watch_log.add_play(play(gone, 1), None).await;
    assert!(matches!(added, Err(WatchError::UserNotFound)));
    let added = ports.watch_log.add_play(play(ada, 1), None).await;
    assert!(matches!(added, Err(WatchError::MarkNotFound)));
    assert!(matches!(delete(gone, none).await, Err(WatchError::UserNotFound)));
    assert!(matches!(delete(ada, none).await, Err(WatchError::MarkNotFound)));
    for user in [ada, bob] {
        ports.watch_log.mark(request(user, 7, 5)).await.unwrap();
    }
    assert!(matches!(delete(ada, none).await, Err(WatchError::PlayNotFound)));
    let of_bob = stored(ports, bob).await.plays[0].id;
    assert!(matches!(delete(ada, of_bob).await, Err(WatchError::PlayNotFound)));
    assert_eq!(stored(ports, bob).await.plays.len(), 1);
}

/// Deleting the latest play moves the mark to the next, with an event; another one is no event.
pub async fn deleting_a_play_moves_the_mark_back(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 10)).await.unwrap();
    let second = add(ports, ada, 20).await;
    let third = add(ports, ada, 30).await;
    let delete = |play: Play| ports.watch_log.delete_play(ada, movie_id(7), play.id, at(60));
    delete(second).await.unwrap();
    assert_eq!(stored(ports, ada).await.watched_at, at(30));
    assert_eq!(updates(ports).await, [at(20), at(30)]);
    delete(third).await.unwrap();
    let mark = stored(ports, ada).await;
    assert_eq!((mark.watched_at, mark.plays.len()), (at(10), 1));
    assert_eq!(updates(ports).await, [at(20), at(30), at(10)]);
    assert!(matches!(delete(third).await, Err(WatchError::PlayNotFound)));
}

/// Deleting the last play removes the mark.
pub async fn deleting_the_last_play_unmarks(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let mark = ports.watch_log.mark(request(ada, 7, 5)).await.unwrap().mark;
    ports.watch_log.delete_play(ada, movie_id(7), mark.plays[0].id, at(60)).await.unwrap();
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(7)).await.unwrap(), None);
    let event = events(ports).await.pop().unwrap();
    assert_eq!((event.seq, event.at), (2, at(60)));
    assert!(matches!(event.change, WatchChange::Unmarked { last_film: None, .. }));
    assert!(ports.watch_log.mark(request(ada, 7, 70)).await.unwrap().created);
}

/// Among plays of the same moment the highest id comes first and is the one that is corrected.
pub async fn ties_go_to_the_highest_play(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 10)).await.unwrap();
    for _ in 0..3 {
        add(ports, ada, 10).await;
    }
    let before = stored(ports, ada).await.plays;
    assert!(before.is_sorted_by(|one, next| one.id > next.id));
    let mark = ports.watch_log.mark(request_viewed(ada, 7, 60, 4)).await.unwrap().mark;
    assert_eq!(mark.watched_at, at(10));
    let last = mark.plays.last().unwrap();
    assert_eq!((last.id, last.viewing.watched_at), (before[0].id, at(4)));
    assert_eq!(mark.plays[..3], before[1..]);
    assert_eq!(stored(ports, ada).await, mark);
    assert_eq!(events(ports).await.len(), 1, "the mark's time is the same");
}

/// A mark takes [`MAX_PLAYS`] plays and no more; deleting one makes room.
pub async fn a_mark_has_only_so_many_plays(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 0)).await.unwrap();
    let mut last = None;
    for n in 1..MAX_PLAYS {
        last = Some(add(ports, ada, -i64::from(n)).await);
    }
    let refused = ports.watch_log.add_play(play(ada, 1), None).await;
    assert!(matches!(refused, Err(WatchError::TooManyPlays)));
    assert_eq!(stored(ports, ada).await.plays.len(), MAX_PLAYS as usize);
    let last = last.unwrap().id;
    ports.watch_log.delete_play(ada, movie_id(7), last, at(60)).await.unwrap();
    add(ports, ada, 1).await;
}

/// Duplicates of a request add one play; the answer is repeated even after the play is gone.
pub async fn a_repeated_play_is_added_once(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    ports.watch_log.mark(request_viewed(ada, 7, 5, 10)).await.unwrap();
    let post = key(&format!("{ada} POST /watched/plays"), "k", "print");
    let answers =
        join_all((0..8).map(|_| ports.watch_log.add_play(play(ada, 20), Some(&post)))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(created_now(&answers), 1);
    assert_eq!(stored(ports, ada).await.plays.len(), 2);
    assert_eq!(updates(ports).await, [at(20)]);
    let first = answers.into_iter().next().unwrap().into_inner();
    ports.watch_log.delete_play(ada, movie_id(7), first.id, at(60)).await.unwrap();
    let again = ports.watch_log.add_play(play(ada, 20), Some(&post)).await.unwrap();
    assert_eq!(again, Created::Before(first));
    assert_eq!(stored(ports, ada).await.plays.len(), 1);
    let other = key(&post.scope, "k", "other");
    let refused = ports.watch_log.add_play(play(ada, 21), Some(&other)).await;
    assert!(matches!(refused, Err(WatchError::KeyReused)));
    let missing = AddPlay { movie_id: movie_id(8), ..play(ada, 20) };
    let unused = key(&post.scope, "unused", "print");
    let refused = ports.watch_log.add_play(missing.clone(), Some(&unused)).await;
    assert!(matches!(refused, Err(WatchError::MarkNotFound)));
    ports.watch_log.mark(request(ada, 8, 5)).await.unwrap();
    let made = ports.watch_log.add_play(missing, Some(&unused)).await.unwrap();
    assert!(matches!(made, Created::Now(_)));
}
