//! Readers who want to be served as if nobody meant any harm, and what the service weighs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{load, replica::Replica, support::Client};

/// Between two reads of one reader.
const PACE: Duration = Duration::from_millis(40);
const READERS: usize = 4;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(100);

/// Readers at work.
pub struct Readers {
    stop: Arc<AtomicBool>,
    times: Arc<Mutex<Vec<Duration>>>,
    work: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Some users who read lists of movies at their pace. Every read has to be answered.
    pub fn start(user: &Client) -> Self {
        let (stop, times) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<_>>>::default());
        let work = (0..READERS)
            .map(|_| {
                let (user, stop, times) = (user.clone(), Arc::clone(&stop), Arc::clone(&times));
                tokio::spawn(async move {
                    let mut pace = interval(PACE);
                    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
                    while !stop.load(Ordering::Relaxed) {
                        pace.tick().await;
                        let began = Instant::now();
                        user.get("/movies").await.expect(200);
                        times.lock().unwrap().push(began.elapsed());
                    }
                })
            })
            .collect();
        Self { stop, times, work }
    }

    /// Ends them; how many reads there were, and the 99th percentile of their times.
    pub async fn end(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        for work in self.work {
            work.await.expect("every read is answered");
        }
        let mut times = std::mem::take(&mut *self.times.lock().unwrap());
        times.sort_unstable();
        (times.len(), times.get(times.len() * 99 / 100).copied().unwrap_or_default())
    }
}

/// A user who may see something, once the catalogue is complete.
pub async fn reader(replicas: &[Replica]) -> Client {
    let user = load::subscriber(&replicas[0].client(), "reader".to_owned()).await;
    load::movies(replicas, &user).await;
    user
}

/// What a process weighs, in MiB.
pub async fn memory(replica: &Replica) -> f64 {
    replica.metric("process_resident_memory_bytes").await / f64::from(1 << 20)
}

/// What a process weighs at most while something is done, in MiB.
pub async fn most_memory(replica: &Replica, done: impl Future<Output = ()>) -> f64 {
    let mut most = 0.0_f64;
    let looking = async {
        loop {
            most = most.max(memory(replica).await);
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = done => {}
        () = looking => unreachable!("it looks until the end"),
    }
    most.max(memory(replica).await)
}
