//! Folding what has come together, with one look and one write for all of its users.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::fold::{Folding, event_of};
use crate::{
    domain::{FoldOutcome, Projection, WatchEvent},
    ports::{BusError, Delivery},
};

/// What has become of a batch.
pub(super) struct Together {
    /// Messages that were dealt with.
    pub(super) folded: usize,
    /// Those for whom this was not enough, user by user, in their order.
    pub(super) left: Vec<Vec<Delivery>>,
    pub(super) outcome: Result<(), BusError>,
}

/// One user's messages, as far as they simply follow what is stored.
struct Turn {
    from_seq: u64,
    next: Projection,
    /// The event where it is news, and nothing where it has been folded before.
    plain: Vec<(Delivery, Option<WatchEvent>)>,
    left: Vec<Delivery>,
}

impl Turn {
    fn of(stored: Projection, deliveries: Vec<Delivery>) -> Self {
        let (from_seq, mut next) = (stored.last_seq, stored);
        let (mut plain, mut left) = (Vec::with_capacity(deliveries.len()), Vec::new());
        let mut deliveries = deliveries.into_iter();
        for mut delivery in deliveries.by_ref() {
            let event = event_of(&delivery.message).ok();
            let outcome = event.as_ref().map(|event| next.fold(event));
            let news = match outcome {
                Some(FoldOutcome::Applied(advanced)) => {
                    next = advanced;
                    event
                }
                Some(FoldOutcome::Duplicate) => None,
                Some(FoldOutcome::Gap | FoldOutcome::Erased) | None => {
                    left.push(delivery);
                    break;
                }
            };
            delivery.answer.begun();
            plain.push((delivery, news));
        }
        left.extend(deliveries);
        Self { from_seq, next, plain, left }
    }
}

impl Turn {
    /// Whether there is any news.
    fn advances(&self) -> bool {
        self.next.last_seq > self.from_seq
    }
}

impl Folding {
    /// Deals with what is plain of a batch: events that follow the stored projection one after
    /// another, or were folded before. Everything else, and whatever fails, is left.
    pub(super) async fn take_together(&self, users: Vec<Vec<Delivery>>) -> Together {
        let ids: Vec<_> =
            users.iter().filter_map(|of_user| Some(of_user.first()?.message.user_id)).collect();
        let reports = &self.projector.reports;
        // Who is left is read alone, and then it is told what is wrong.
        let mut stored = reports.projections(&ids).await.unwrap_or_default();
        let (mut turns, mut left) = (Vec::with_capacity(users.len()), Vec::new());
        for of_user in users {
            let first = of_user.first();
            match first.and_then(|first| stored.remove(&first.message.user_id)) {
                Some(stored) => turns.push(Turn::of(stored, of_user)),
                None => left.push(of_user),
            }
        }
        turns.retain_mut(|turn| {
            let begun = !turn.plain.is_empty();
            if !begun {
                left.push(std::mem::take(&mut turn.left));
            }
            begun
        });
        let steps: Vec<_> = turns
            .iter()
            .filter(|turn| turn.advances())
            .map(|turn| (turn.from_seq, turn.next.clone()))
            .collect();
        let mut written = reports.advance_all(&steps).await.into_iter();
        let mut acknowledgements = Vec::new();
        for turn in turns {
            let done = !turn.advances() || matches!(written.next(), Some(Ok(true)));
            let Turn { plain, left: mut after, .. } = turn;
            if done {
                for (Delivery { answer, .. }, news) in plain {
                    self.folded(news.as_ref());
                    acknowledgements.push(answer.acknowledge());
                }
            } else {
                let again = plain.into_iter().map(|(delivery, _)| delivery);
                after.splice(0..0, again);
            }
            if !after.is_empty() {
                left.push(after);
            }
        }
        if !steps.is_empty() {
            self.projector.counters.written.notify_waiters();
        }
        let outcomes = join_all(acknowledgements).await;
        let folded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let outcome = outcomes.into_iter().collect();
        Together { folded, left, outcome }
    }

    fn folded(&self, news: Option<&WatchEvent>) {
        match news {
            Some(event) => {
                self.applied(event);
                self.note_lag(event);
            }
            None => {
                self.projector.counters.duplicates.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::{
        collections::HashMap,
        sync::{Arc, atomic::AtomicUsize},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::{
        domain::{Timestamp, UserId},
        ports::{Acknowledge, Reports, StoreError},
        report::{fold::Counters, projector::Projector, remembered::Remembered},
        testing::fakes::{DrivenClock, MemoryBus, MemoryDocuments, ScriptedMarks},
        trending::Tally,
    };

    /// How the store takes an advance.
    #[derive(Clone, Copy, PartialEq)]
    enum Takes {
        It,
        /// Somebody else was first.
        Another,
        Nothing,
    }

    struct Store(MemoryDocuments, Takes);

    #[async_trait]
    impl Reports for Store {
        async fn projection(&self, user: UserId) -> Result<Option<Projection>, StoreError> {
            self.0.projection(user).await
        }

        async fn projections(
            &self,
            users: &[UserId],
        ) -> Result<HashMap<UserId, Projection>, StoreError> {
            self.0.projections(users).await
        }

        async fn advance(&self, from_seq: u64, next: &Projection) -> Result<bool, StoreError> {
            match self.1 {
                Takes::It => self.0.advance(from_seq, next).await,
                Takes::Another => Ok(false),
                Takes::Nothing => Err(StoreError::Busy { store: "documents" }),
            }
        }

        async fn replace(&self, rebuilt: &Projection) -> Result<bool, StoreError> {
            self.0.replace(rebuilt).await
        }

        async fn erase(&self, user: UserId) -> Result<(), StoreError> {
            self.0.erase(user).await
        }
    }

    struct Noted(Arc<AtomicUsize>);

    #[async_trait]
    impl Acknowledge for Noted {
        async fn acknowledge(self: Box<Self>) -> Result<(), BusError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_was_not_written_is_not_acknowledged_but_left() {
        for takes in [Takes::It, Takes::Another, Takes::Nothing] {
            let (documents, marks) = (MemoryDocuments::new(), ScriptedMarks::new());
            let folding = Folding {
                projector: Projector {
                    reports: Arc::new(Store(documents.clone(), takes)),
                    watch_log: Arc::new(marks.clone()),
                    remembered: Remembered::default(),
                    counters: Arc::new(Counters::default()),
                },
                bus: Arc::new(MemoryBus::new()),
                clock: Arc::new(DrivenClock::default()),
                tally: Tally::default(),
            };
            let acknowledged = Arc::new(AtomicUsize::new(0));
            let users = [UserId::generate(), UserId::generate()];
            let mut batch = Vec::new();
            for user in users {
                documents.replace(&Projection::empty(user)).await.unwrap();
                let deliveries = (1..=3).map(|movie| Delivery {
                    message: marks.mark(user, movie, Timestamp::now()),
                    answer: Box::new(Noted(Arc::clone(&acknowledged))),
                });
                batch.push(deliveries.collect());
            }
            let Together { folded, left, outcome } = folding.take_together(batch).await;
            outcome.unwrap();
            let written = takes == Takes::It;
            let done = if written { 6 } else { 0 };
            assert_eq!((folded, acknowledged.load(Ordering::Relaxed)), (done, done));
            let left: Vec<usize> = left.iter().map(Vec::len).collect();
            assert_eq!(left, if written { vec![] } else { vec![3, 3] });
            for user in users {
                let seq = documents.projection(user).await.unwrap().unwrap().last_seq;
                assert_eq!(seq, if written { 3 } else { 0 });
            }
        }
    }
}
