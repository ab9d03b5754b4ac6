//! Lists of marks, histories and sequence numbers.

use super::super::setup::{
    at, genre, movie, movie_id, page, request, request_viewed, user, viewer, viewing,
};
use crate::{
    domain::{UserId, WatchedMark},
    ports::{AddPlay, Erased, History, MarkFilter, MarkMovie, UserSeq},
    testing::SqlPorts,
};

async fn listed(ports: &SqlPorts, user: UserId, filter: MarkFilter) -> Vec<i64> {
    let found = ports.watch_log.marks(user, &filter, page(1, 100)).await.unwrap();
    assert_eq!(found.total_items, found.items.len() as u64);
    found.items.iter().map(|mark| i64::from(mark.movie.id)).collect()
}

/// A list has the latest viewing first, ties by the latest mark, each mark with its own plays.
pub async fn marks_come_latest_first_with_ties_by_mark(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let bob = viewer(ports, "bob").await;
    for (seconds, (id, watched)) in
        [(9, 100), (3, 300), (5, 200), (7, 200), (1, 200)].into_iter().enumerate()
    {
        let asked = request_viewed(ada, id, seconds.try_into().unwrap(), watched);
        ports.watch_log.mark(asked).await.unwrap();
    }
    let play = AddPlay { user: ada, movie_id: movie_id(5), viewing: viewing(20), now: at(50) };
    ports.watch_log.add_play(play, None).await.unwrap();
    ports.watch_log.mark(request(bob, 8, 5)).await.unwrap();

    assert_eq!(listed(ports, ada, MarkFilter::default()).await, [3, 1, 7, 5, 9]);
    assert_eq!(listed(ports, bob, MarkFilter::default()).await, [8]);
    let all = MarkFilter::default();
    let second = ports.watch_log.marks(ada, &all, page(2, 2)).await.unwrap();
    assert_eq!(second.total_items, 5);
    for mark in &second.items {
        let one = ports.watch_log.mark_of(ada, mark.movie.id).await.unwrap();
        assert_eq!(one.as_ref(), Some(mark));
    }
    assert_eq!(second.items[1].plays.len(), 2, "movie 5 was viewed twice");
    let beyond = ports.watch_log.marks(ada, &all, page(4, 2)).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.total_items), (0, 5));
    let watched = ports.watch_log.watched_movies(ada).await.unwrap();
    assert_eq!(watched, [1, 3, 5, 7, 9].map(movie_id));
}

/// Filters of genre and time join; the time's beginning is inclusive, its end exclusive.
pub async fn marks_are_filtered(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    for (id, watched, ids) in
        [(1, 10, &[18, 99][..]), (2, 20, &[18]), (3, 30, &[35, 99]), (4, 40, &[18, 99])]
    {
        let asked =
            MarkMovie { movie: Some(movie(id, ids)), ..request_viewed(ada, id, 50, watched) };
        ports.watch_log.mark(asked).await.unwrap();
    }
    let of = |id| MarkFilter { genre: Some(genre(id)), ..MarkFilter::default() };
    let between =
        |from, to| MarkFilter { from: Some(at(from)), to: Some(at(to)), ..MarkFilter::default() };
    assert_eq!(listed(ports, ada, of(99)).await, [4, 3, 1]);
    assert_eq!(listed(ports, ada, of(7)).await, [0; 0]);
    assert_eq!(listed(ports, ada, between(20, 40)).await, [3, 2]);
    assert_eq!(listed(ports, ada, MarkFilter { to: None, ..between(30, 0) }).await, [4, 3]);
    assert_eq!(listed(ports, ada, MarkFilter { from: None, ..between(0, 20) }).await, [1]);
    let both = MarkFilter { genre: Some(genre(99)), ..between(20, 41) };
    assert_eq!(listed(ports, ada, both).await, [4, 3]);
    let second = ports.watch_log.marks(ada, &of(99), page(2, 1)).await.unwrap();
    assert_eq!((second.items[0].movie.id, second.total_items), (movie_id(3), 3));
    ports.watch_log.unmark(ada, movie_id(4), at(60)).await.unwrap();
    assert_eq!(listed(ports, ada, of(99)).await, [3, 1]);
}

/// When a movie was last watched follows its mark; another user's and another movie's are none.
pub async fn when_a_movie_was_watched_is_told(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let bob = viewer(ports, "bob").await;
    let watched = async |user, id| ports.watch_log.watched_at(user, movie_id(id)).await.unwrap();
    assert_eq!(watched(ada, 1).await, None);
    ports.watch_log.mark(request_viewed(ada, 1, 5, 100)).await.unwrap();
    assert_eq!(watched(ada, 1).await, Some(at(100)));
    assert_eq!((watched(ada, 2).await, watched(bob, 1).await), (None, None));
    let play = AddPlay { user: ada, movie_id: movie_id(1), viewing: viewing(200), now: at(201) };
    ports.watch_log.add_play(play, None).await.unwrap();
    assert_eq!(watched(ada, 1).await, Some(at(200)));
    ports.watch_log.unmark(ada, movie_id(1), at(300)).await.unwrap();
    assert_eq!(watched(ada, 1).await, None);
    assert_eq!(watched(UserId::generate(), 1).await, None);
}

/// A history has every mark and the number that they add up to; without an account it is none.
pub async fn a_history_is_one_snapshot(ports: &SqlPorts) {
    let fresh = user(ports, "fresh").await.id;
    let nothing = History { seq: 0, marks: Vec::new() };
    assert_eq!(ports.watch_log.history(fresh).await.unwrap(), Some(nothing));
    assert_eq!(ports.watch_log.history(UserId::generate()).await.unwrap(), None);

    let ada = viewer(ports, "ada").await;
    let marking = async {
        for id in 1..=30 {
            ports.watch_log.mark(request(ada, id, id)).await.unwrap();
        }
    };
    let reading = async {
        let mut seen = 0;
        while seen < 30 {
            let history = ports.watch_log.history(ada).await.unwrap().unwrap();
            // Each change of this walk is one mark: number and marks are of one moment.
            assert_eq!(history.seq, history.marks.len() as u64);
            assert!(history.seq >= seen);
            seen = history.seq;
        }
    };
    tokio::join!(marking, reading);
    let history = ports.watch_log.history(ada).await.unwrap().unwrap();
    for mark in history.marks {
        let one = ports.watch_log.mark_of(ada, mark.movie.id).await.unwrap().unwrap();
        assert_eq!(
            WatchedMark { plays: Vec::new(), ..one },
            WatchedMark { plays: Vec::new(), ..mark }
        );
    }
}

/// Sequence numbers come for every account that exists, also before its first change.
pub async fn sequences_are_told_of_accounts_that_exist(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let fresh = user(ports, "fresh").await.id;
    ports.watch_log.mark(request(ada, 1, 5)).await.unwrap();
    ports.watch_log.unmark(ada, movie_id(1), at(9)).await.unwrap();
    let mut asked = vec![ada, fresh];
    asked.extend((0..600).map(|_| UserId::generate()));
    let mut found = ports.watch_log.sequences(&asked).await.unwrap();
    found.sort_by_key(|seq| seq.user);
    let of_ada = UserSeq { user: ada, seq: 2, changed_at: at(9) };
    let of_fresh = UserSeq { user: fresh, seq: 0, changed_at: at(0) };
    assert_eq!(found, [of_ada, of_fresh]);
    assert!(ports.watch_log.sequences(&[]).await.unwrap().is_empty());
}

/// All users are walked through in order of id, those who marked nothing included.
pub async fn users_are_walked_through_in_order(ports: &SqlPorts) {
    assert!(ports.watch_log.sequences_after(None, 10).await.unwrap().is_empty());
    let ada = viewer(ports, "ada").await;
    let mut users = vec![ada];
    for n in 0..6 {
        users.push(user(ports, &format!("user{n}")).await.id);
    }
    ports.watch_log.mark(request(ada, 1, 5)).await.unwrap();
    users.sort_unstable();
    let mut walked = Vec::new();
    let mut place = None;
    loop {
        let some = ports.watch_log.sequences_after(place, 3).await.unwrap();
        let Some(last) = some.last() else { break };
        assert!(some.len() <= 3);
        place = Some(last.user);
        walked.extend(some);
    }
    assert_eq!(walked.iter().map(|it| it.user).collect::<Vec<_>>(), users);
    let of_ada = walked.iter().find(|it| it.user == ada);
    assert_eq!(of_ada, Some(&UserSeq { user: ada, seq: 1, changed_at: at(5) }));
    assert!(walked.iter().all(|it| it.user == ada || it.seq == 0));
    // From behind somebody who has gone.
    ports.accounts.delete(users[2], at(9)).await.unwrap();
    let rest = ports.watch_log.sequences_after(Some(users[2]), 10).await.unwrap();
    assert_eq!(rest.iter().map(|it| it.user).collect::<Vec<_>>(), users[3..]);
}

/// Users are found by the time of their last change, in order, from a place on.
pub async fn changes_are_found_by_their_time(ports: &SqlPorts) {
    let mut users = Vec::new();
    for n in 0..6 {
        users.push(viewer(ports, &format!("user{n}")).await);
    }
    // Two share a moment, the last has changed nothing.
    for (user, seconds) in users.iter().zip([30, 20, 20, 10, 40]) {
        ports.watch_log.mark(request(*user, 1, seconds)).await.unwrap();
    }
    let found = |from, to, after: Option<(i64, UserId)>, limit| async move {
        let after = after.map(|(seconds, user)| (at(seconds), user));
        ports.watch_log.changed_between(at(from), at(to), after, limit).await.unwrap()
    };
    let ids = |found: Vec<UserSeq>| found.iter().map(|seq| seq.user).collect::<Vec<_>>();
    let all = found(-1_000, 1_000, None, 10).await;
    assert_eq!(all[0], UserSeq { user: users[3], seq: 1, changed_at: at(10) });
    assert_eq!(ids(all), [users[3], users[1], users[2], users[0], users[4]]);
    assert_eq!(ids(found(20, 40, None, 10).await), [users[1], users[2], users[0]]);
    assert_eq!(ids(found(20, 40, None, 1).await), [users[1]]);
    let after = Some((20, users[1]));
    assert_eq!(ids(found(20, 40, after, 10).await), [users[2], users[0]]);
    assert_eq!(ids(found(20, 40, Some((20, users[2])), 10).await), [users[0]]);
    let before_all = Some((0, users[5]));
    assert_eq!(ids(found(20, 40, before_all, 10).await), [users[1], users[2], users[0]]);
    ports.watch_log.mark(request(users[3], 2, 35)).await.unwrap();
    assert_eq!(ids(found(20, 40, None, 10).await), [users[1], users[2], users[0], users[3]]);
}

/// Users who are gone are found by the time of that, in order, from a place on, whatever became
/// of their last event.
pub async fn users_who_are_gone_are_found_by_their_time(ports: &SqlPorts) {
    let mut users = Vec::new();
    for n in 0..5 {
        users.push(viewer(ports, &format!("user{n}")).await);
    }
    // Two at the same moment, and one who stays.
    for (user, seconds) in users.iter().zip([30, 20, 20, 10]) {
        ports.watch_log.mark(request(*user, 1, 5)).await.unwrap();
        ports.accounts.delete(*user, at(seconds)).await.unwrap();
    }
    let found = |from, to, after: Option<(i64, i64)>, limit| async move {
        let after = after.map(|(seconds, id)| (at(seconds), id));
        ports.watch_log.erased_between(at(from), at(to), after, limit).await.unwrap()
    };
    let ids = |found: &[Erased]| found.iter().map(|gone| gone.user).collect::<Vec<_>>();
    let all = found(-1_000, 1_000, None, 10).await;
    assert_eq!(ids(&all), [users[3], users[1], users[2], users[0]]);
    assert_eq!(all.iter().map(|gone| gone.at).collect::<Vec<_>>(), [10, 20, 20, 30].map(at));
    assert_eq!(ids(&found(20, 30, None, 10).await), [users[1], users[2]]);
    assert_eq!(ids(&found(20, 31, None, 1).await), [users[1]]);
    assert_eq!(ids(&found(20, 31, Some((20, all[1].id)), 10).await), [users[2], users[0]]);
    assert_eq!(ids(&found(20, 31, Some((20, all[2].id)), 10).await), [users[0]]);
    assert_eq!(ids(&found(20, 31, Some((0, i64::MAX)), 10).await).len(), 3);
    let waiting = ports.outbox.unpublished(10).await.unwrap();
    let waiting: Vec<i64> = waiting.iter().map(|row| row.id).collect();
    ports.outbox.mark_published(&waiting[..2], at(40)).await.unwrap();
    ports
        .outbox
        .bury(ports.outbox.unpublished(1).await.unwrap()[0].event_id, "unreadable", at(40))
        .await
        .unwrap();
    assert_eq!(found(-1_000, 1_000, None, 10).await, all);
}
