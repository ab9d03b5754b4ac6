//! The numbers that users' marks have come to, asked for many users at once: whoever comes while
//! questions are under way goes with the next one, and who comes alone waits for nobody. A question
//! begins after everybody in it has come, so that no answer is older than its asking.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    domain::UserId,
    ports::{StoreError, WatchLog},
};

/// Questions under way at once.
const AT_ONCE: usize = 2;
/// Users of one question.
const BATCH: usize = 256;
/// Who would have to wait behind more than these is refused at once.
const MOST: usize = 4_096;
/// For an answer, with the wait for the question before.
const PATIENCE: Duration = Duration::from_secs(2);

type Number = Result<Option<u64>, StoreError>;

/// Asks for numbers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Numbers {
    watch_log: Arc<dyn WatchLog>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(UserId, oneshot::Sender<Number>)>,
    under_way: usize,
}

impl Numbers {
    pub(super) fn new(watch_log: Arc<dyn WatchLog>) -> Self {
        Self { watch_log, queue: Arc::default() }
    }

    /// The number that a user's marks have come to; `None` when there is no such account.
    pub(super) async fn of(&self, user: UserId) -> Number {
        let (tell, told) = oneshot::channel();
        let turn = {
            let mut queue = self.lock();
            if queue.waiting.len() >= MOST {
                return Err(unavailable("too many ask for the numbers of users"));
            }
            queue.waiting.push((user, tell));
            (queue.under_way < AT_ONCE).then(|| {
                queue.under_way += 1;
                Turn(Some(self.clone()))
            })
        };
        if let Some(turn) = turn {
            tokio::spawn(turn.ask());
        }
        match timeout(PATIENCE, told).await {
            Ok(Ok(number)) => number,
            Ok(Err(_gone)) => Err(unavailable("the question was given up")),
            Err(_elapsed) => Err(unavailable("the numbers of users do not come")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, batch: Vec<(UserId, oneshot::Sender<Number>)>) {
        let mut users: Vec<UserId> = batch.iter().map(|(user, _)| *user).collect();
        users.sort_unstable();
        users.dedup();
        let numbers = self.watch_log.sequences(&users).await.map(|found| {
            found.into_iter().map(|it| (it.user, it.seq)).collect::<HashMap<UserId, u64>>()
        });
        for (user, tell) in batch {
            let number = numbers.as_ref().map(|numbers| numbers.get(&user).copied());
            // Who has gone meanwhile does not want it any more.
            let _ = tell.send(number.map_err(StoreError::clone));
        }
    }
}

/// One of the questions that may be under way. Its place is given back whatever becomes of it.
struct Turn(Option<Numbers>);

impl Turn {
    async fn ask(mut self) {
        while let Some(numbers) = self.0.clone() {
            let batch = {
                let mut queue = numbers.lock();
                if queue.waiting.is_empty() {
                    // Under the lock: who comes next finds the place free.
                    queue.under_way -= 1;
                    self.0 = None;
                    return;
                }
                let most = queue.waiting.len().min(BATCH);
                queue.waiting.drain(..most).collect()
            };
            numbers.answer(batch).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(numbers) = self.0.take() {
            numbers.lock().under_way -= 1;
        }
    }
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { store: "sql", reason: reason.to_owned() }
}
