//! Contract of the `outbox` port.

use futures_util::future::{FutureExt, join_all};

use super::setup::{at, events, movie_id, request, viewer};
use crate::{
    domain::{EventId, TraceParent, UserId, partition_of},
    ports::{Backlog, DeadLetter, OutboxRow, traced},
    testing::SqlPorts,
};

async fn with_marks(ports: &SqlPorts, count: i64) -> (UserId, Vec<OutboxRow>) {
    let ada = viewer(ports, "ada").await;
    for movie in 1..=count {
        ports.watch_log.mark(request(ada, movie, movie)).await.unwrap();
    }
    (ada, ports.outbox.unpublished(1_000).await.unwrap())
}

async fn waiting(ports: &SqlPorts) -> Vec<i64> {
    ports.outbox.unpublished(1_000).await.unwrap().iter().map(|row| row.id).collect()
}

fn ids(rows: &[OutboxRow]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}

/// Events wait in the order of their ids, at most as many as are asked for.
pub async fn events_wait_in_order(ports: &SqlPorts) {
    let (ada, rows) = with_marks(ports, 5).await;
    assert_eq!(rows.len(), 5);
    assert!(rows.is_sorted_by(|one, next| one.id < next.id));
    assert!(rows.iter().all(|row| row.user_id == ada && row.kind == "marked"));
    let seqs: Vec<_> = events(ports).await.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    assert_eq!(ports.outbox.unpublished(2).await.unwrap(), rows[..2]);
    assert!(ports.outbox.unpublished(0).await.unwrap().is_empty());
}

/// What was published does not wait any more; gaps do not hold the rest back.
pub async fn published_events_are_gone(ports: &SqlPorts) {
    let (_, rows) = with_marks(ports, 4).await;
    ports.outbox.mark_published(&[rows[1].id, rows[2].id], at(10)).await.unwrap();
    assert_eq!(waiting(ports).await, [rows[0].id, rows[3].id]);
    ports.outbox.mark_published(&[rows[1].id, rows[0].id, i64::MAX], at(11)).await.unwrap();
    ports.outbox.mark_published(&[], at(11)).await.unwrap();
    assert_eq!(waiting(ports).await, [rows[3].id]);
}

/// What is buried does not wait any more, and an acknowledgement that comes late changes nothing.
pub async fn buried_events_are_kept_aside(ports: &SqlPorts) {
    let (_, rows) = with_marks(ports, 3).await;
    ports.outbox.bury(rows[1].event_id, "unreadable", at(10)).await.unwrap();
    assert_eq!(waiting(ports).await, [rows[0].id, rows[2].id]);
    ports.outbox.mark_published(&ids(&rows), at(11)).await.unwrap();
    ports.outbox.bury(EventId::generate(), "unknown", at(11)).await.unwrap();
    ports.outbox.bury(rows[2].event_id, "after it was published", at(12)).await.unwrap();
    assert_eq!(ports.outbox.backlog().await.unwrap(), Backlog::default());
    // Of the three only the one that was published and not buried may be purged.
    assert_eq!(ports.outbox.purge(at(1_000)).await.unwrap(), 1);
}

/// The backlog counts what waits and knows the oldest.
pub async fn the_backlog_counts_what_waits(ports: &SqlPorts) {
    assert_eq!(ports.outbox.backlog().await.unwrap(), Backlog::default());
    let (_, rows) = with_marks(ports, 4).await;
    let backlog = ports.outbox.backlog().await.unwrap();
    assert_eq!(backlog, Backlog { events: 4, oldest: Some(at(1)) });
    ports.outbox.mark_published(&[rows[0].id], at(10)).await.unwrap();
    ports.outbox.bury(rows[1].event_id, "unreadable", at(10)).await.unwrap();
    let backlog = ports.outbox.backlog().await.unwrap();
    assert_eq!(backlog, Backlog { events: 2, oldest: Some(at(3)) });
}

/// Every commit of an event signals, also when nobody waits yet.
pub async fn a_commit_signals(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let committed = ports.outbox.committed();
    ports.watch_log.mark(request(ada, 1, 1)).await.unwrap();
    committed.notified().await;
    assert_eq!(waiting(ports).await.len(), 1);

    ports.watch_log.mark(request(ada, 1, 2)).await.unwrap();
    let signal = committed.notified().now_or_never();
    assert!(signal.is_none(), "a mark that changes nothing has no event to tell of");
    ports.watch_log.unmark(ada, movie_id(1), at(3)).await.unwrap();
    committed.notified().await;
}

/// Whoever reads while marks are being set sees each event once and misses none.
pub async fn no_event_is_missed(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let bob = viewer(ports, "bob").await;
    let marking = join_all((1..=20).flat_map(|movie| {
        [ada, bob].map(|user| ports.watch_log.mark(request(user, movie, movie)))
    }));
    let reading = async {
        let mut seen = Vec::new();
        while seen.len() < 40 {
            let rows = ports.outbox.unpublished(7).await.unwrap();
            let ids = ids(&rows);
            ports.outbox.mark_published(&ids, at(100)).await.unwrap();
            seen.extend(rows);
        }
        seen
    };
    let (marked, seen) = tokio::join!(marking, reading);
    assert!(marked.iter().all(Result::is_ok));
    assert_eq!((seen.len(), waiting(ports).await.len()), (40, 0));
    for user in [ada, bob] {
        let seqs: Vec<u64> = seen
            .iter()
            .filter(|row| row.user_id == user)
            .map(|row| serde_json::from_str::<crate::domain::WatchEvent>(&row.payload).unwrap().seq)
            .collect();
        assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
    }
}

/// Published events wait again on request, from a moment on; buried ones do not.
pub async fn published_events_wait_again(ports: &SqlPorts) {
    let (_, rows) = with_marks(ports, 4).await;
    ports.outbox.mark_published(&ids(&rows[..3]), at(10)).await.unwrap();
    ports.outbox.bury(rows[2].event_id, "unreadable", at(10)).await.unwrap();
    let committed = ports.outbox.committed();
    committed.notified().await;
    assert_eq!(ports.outbox.republish(at(2)).await.unwrap(), 1);
    committed.notified().await;
    let again = OutboxRow { times_published: 1, ..rows[1].clone() };
    assert_eq!(ports.outbox.unpublished(10).await.unwrap(), [again, rows[3].clone()]);
    assert_eq!(ports.outbox.republish(at(5)).await.unwrap(), 0);
}

/// An event carries the trace of the work that committed it.
pub async fn events_carry_their_trace(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let trace = TraceParent::generate();
    traced(trace, ports.watch_log.mark(request(ada, 1, 1))).await.unwrap();
    ports.watch_log.mark(request(ada, 2, 2)).await.unwrap();
    let rows = ports.outbox.unpublished(10).await.unwrap();
    let traces: Vec<_> = rows.iter().map(|row| row.traceparent).collect();
    assert_eq!(traces, [Some(trace), None]);
}

/// Purging takes events that were published before a moment, and nothing that waits.
pub async fn old_events_are_purged(ports: &SqlPorts) {
    let (_, rows) = with_marks(ports, 4).await;
    ports.outbox.mark_published(&ids(&rows[..1]), at(10)).await.unwrap();
    ports.outbox.mark_published(&ids(&rows[1..3]), at(20)).await.unwrap();
    assert_eq!(ports.outbox.purge(at(10)).await.unwrap(), 0);
    assert_eq!(ports.outbox.purge(at(20)).await.unwrap(), 1);
    assert_eq!(ports.outbox.purge(at(1_000)).await.unwrap(), 2);
    assert_eq!(ports.outbox.purge(at(1_000)).await.unwrap(), 0);
    assert_eq!(waiting(ports).await, [rows[3].id]);
}

/// A buried event is a dead letter, as it was published and with its reason.
pub async fn buried_events_are_dead_letters(ports: &SqlPorts) {
    let (ada, rows) = with_marks(ports, 4).await;
    assert!(ports.dead_letters.list(0, 10).await.unwrap().is_empty());
    for row in [&rows[2], &rows[0], &rows[3]] {
        ports.outbox.bury(row.event_id, "unreadable", at(10)).await.unwrap();
    }
    let letters = ports.dead_letters.list(0, 10).await.unwrap();
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id.try_into().unwrap()).collect();
    assert_eq!(ids, [rows[0].id, rows[2].id, rows[3].id]);
    let expected = DeadLetter {
        id: letters[0].id,
        at: at(10),
        reason: "unreadable".to_owned(),
        subject: format!("watchme.watch.v1.{}.marked.{ada}", partition_of(ada)),
        message_id: rows[0].event_id.to_string(),
        original: rows[0].payload.clone(),
    };
    assert_eq!(letters[0], expected);
    let after = ports.dead_letters.list(letters[0].id, 1).await.unwrap();
    assert_eq!(after, letters[1..2]);
    assert!(ports.dead_letters.list(letters[2].id, 10).await.unwrap().is_empty());
    assert!(ports.dead_letters.list(u64::MAX, 10).await.unwrap().is_empty());
}

/// A dead letter that is replayed waits again, and is no dead letter any more.
pub async fn dead_letters_are_replayed_once(ports: &SqlPorts) {
    let (_, rows) = with_marks(ports, 2).await;
    ports.outbox.mark_published(&ids(&rows), at(5)).await.unwrap();
    ports.outbox.bury(rows[1].event_id, "unreadable", at(10)).await.unwrap();
    let committed = ports.outbox.committed();
    committed.notified().await;
    let id = ports.dead_letters.list(0, 10).await.unwrap()[0].id;
    assert!(ports.dead_letters.replay(id).await.unwrap());
    committed.notified().await;
    let again = OutboxRow { times_published: 1, ..rows[1].clone() };
    assert_eq!(ports.outbox.unpublished(10).await.unwrap(), [again]);
    assert!(ports.dead_letters.list(0, 10).await.unwrap().is_empty());
    for unknown in [id, 0, u64::MAX] {
        assert!(!ports.dead_letters.replay(unknown).await.unwrap());
    }
    assert!(committed.notified().now_or_never().is_none(), "there is nothing to tell of");
    assert_eq!(waiting(ports).await, [rows[1].id]);
}

/// However many events are to wait again, all of them do.
pub async fn many_events_wait_again(ports: &SqlPorts) {
    let (_, rows) = with_marks(ports, 600).await;
    ports.outbox.mark_published(&ids(&rows), at(1_000)).await.unwrap();
    assert_eq!(ports.outbox.republish(at(11)).await.unwrap(), 590);
    assert_eq!(waiting(ports).await, ids(&rows[10..]));
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! outbox_contract {
    ($make:path) => {
        $crate::contract_cases!(
            outbox,
            $make,
            [
                events_wait_in_order,
                published_events_are_gone,
                buried_events_are_kept_aside,
                the_backlog_counts_what_waits,
                a_commit_signals,
                no_event_is_missed,
                published_events_wait_again,
                many_events_wait_again,
                buried_events_are_dead_letters,
                dead_letters_are_replayed_once,
                events_carry_their_trace,
                old_events_are_purged,
            ]
        );
    };
}
