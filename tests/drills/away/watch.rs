//! Asking everything again and again, and insisting on what holds whatever is away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};
use uuid::Uuid;

use super::{
    RETURN,
    seen::{AllSeen, Seen, is_stale},
};
use crate::{
    load,
    support::{Answer, Client, app::USER_PASSWORD},
};

/// Of the user who asks.
pub const NAME: &str = "away";
/// Of the user who signs in again and again: of a hundred sessions the oldest ends.
const SIGNS_IN: &str = "signs-in";
/// Requests of each kind that are under way at once: 39 of all kinds.
const AT_ONCE: usize = 3;
/// Between two of them: clients have other things to do, and so has the machine.
const PAUSE: Duration = Duration::from_millis(100);
/// More than anybody asks in one watch; even, so that a key's two plays stay with one asker.
const ROUNDS: usize = 100_000;
/// Movies to which plays are added.
const PLAYED: usize = 20;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A page that was asked for before.
    List,
    /// A page that nobody has asked for before.
    OtherList,
    Search,
    Trending,
    Details,
    Mark,
    /// With a key, each key twice.
    Play,
    Report,
    Genres,
    Packages,
    Subscriptions,
    Entitlements,
    Login,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::List,
        Self::OtherList,
        Self::Search,
        Self::Trending,
        Self::Details,
        Self::Mark,
        Self::Play,
        Self::Report,
        Self::Genres,
        Self::Packages,
        Self::Subscriptions,
        Self::Entitlements,
        Self::Login,
    ];
}

/// Who asks.
#[derive(Clone)]
pub struct Asker {
    /// Signed in, with subscriptions.
    pub user: Client,
    movies: Vec<u64>,
    /// So that no two plays have the same key, whichever watch adds them.
    keys: Uuid,
}

impl Asker {
    /// Has marked some movies, and asked once what is remembered when it was asked before.
    pub async fn new(user: Client, movies: &[u64]) -> Self {
        load::subscriber(&user.nobody(), SIGNS_IN.to_owned()).await;
        for movie in &movies[..PLAYED] {
            user.put(&format!("/watched/{movie}"), &json!({})).await.expect(201);
        }
        let asker = Self { user, movies: movies.to_vec(), keys: Uuid::new_v4() };
        for kind in [Kind::List, Kind::Details, Kind::Report] {
            asker.ask(kind, 0).await.expect(200);
        }
        asker
    }

    async fn ask(&self, kind: Kind, round: usize) -> Answer {
        let user = &self.user;
        match kind {
            Kind::List => user.get("/movies").await,
            Kind::OtherList => {
                let page = round % ROUNDS * AT_ONCE + round / ROUNDS + 1;
                user.get(&format!("/movies?pageSize=7&pageNumber={page}")).await
            }
            Kind::Search => user.get("/movies/search?query=night").await,
            Kind::Trending => user.get("/movies/trending").await,
            Kind::Details => user.get(&format!("/movies/{}", self.movies[0])).await,
            Kind::Mark => {
                let movie = self.movies[round % self.movies.len()];
                user.put(&format!("/watched/{movie}"), &json!({})).await
            }
            Kind::Play => {
                let movie = self.movies[round / 2 % PLAYED];
                let key = format!("{}-{}", self.keys, round / 2);
                let path = format!("/watched/{movie}/plays");
                let body = json!({ "watchedAt": "2026-03-01T20:15:00Z" });
                user.post_with(&path, &[("idempotency-key", &key)], &body).await
            }
            Kind::Report => user.get("/reports/me").await,
            Kind::Genres => user.get("/genres").await,
            Kind::Packages => user.get("/packages").await,
            Kind::Subscriptions => user.get("/subscriptions").await,
            Kind::Entitlements => user.get("/entitlements").await,
            Kind::Login => {
                let body = json!({ "email": load::email(SIGNS_IN), "password": USER_PASSWORD });
                user.nobody().post("/auth/login", &body).await
            }
        }
    }

    /// Waits until everything is answered as usual; insists that it is in time.
    pub async fn well_again(&self) -> Duration {
        let began = Instant::now();
        loop {
            let mut ailing = Vec::new();
            for kind in Kind::ALL {
                let answer = self.ask(kind, 3).await;
                // Trending films are read again every 20 seconds, and are no staler than they say.
                let stale = is_stale(&answer) && kind != Kind::Trending;
                if answer.status >= 300 || stale {
                    ailing.push((kind, answer.status, stale));
                }
            }
            let time = began.elapsed();
            assert!(time <= RETURN, "{time:?} after the return not well: {ailing:?}");
            if ailing.is_empty() {
                return time;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Asks everything until told to end.
pub struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeMap<Kind, Seen>>>,
    work: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Insists on what holds always: no 500, no hang, 503 with `Retry-After`, and within the bound
    /// whatever it is.
    pub fn begin(asker: &Asker, bound: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen: Arc<Mutex<BTreeMap<Kind, Seen>>> = Arc::default();
        let asker = Asker { keys: Uuid::new_v4(), ..asker.clone() };
        let all = Kind::ALL.into_iter().flat_map(|kind| (0..AT_ONCE).map(move |nth| (kind, nth)));
        let work = all
            .map(|(kind, nth)| {
                let (asker, stop, seen) = (asker.clone(), Arc::clone(&stop), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut added: Option<Answer> = None;
                    let mut round = nth * ROUNDS;
                    while !stop.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        let answer = asker.ask(kind, round).await;
                        let time = began.elapsed();
                        holds(kind, &answer, time, bound);
                        seen.lock().unwrap().entry(kind).or_default().note(&answer, time);
                        if kind == Kind::Play {
                            if let Some(first) = &added {
                                same_play(first, &answer);
                            }
                            added =
                                (round.is_multiple_of(2) && answer.status == 201).then_some(answer);
                        }
                        round += 1;
                        sleep(PAUSE).await;
                    }
                })
            })
            .collect();
        Self { stop, seen, work }
    }

    /// Ends it; what was answered.
    pub async fn end(self) -> AllSeen {
        self.stop.store(true, Ordering::Relaxed);
        for work in self.work {
            work.await.expect("what holds always held");
        }
        AllSeen(std::mem::take(&mut *self.seen.lock().unwrap()))
    }
}

fn holds(kind: Kind, answer: &Answer, time: Duration, bound: Duration) {
    let text: String = answer.text().chars().take(300).collect();
    assert!(
        matches!(answer.status, 200 | 201 | 503),
        "{kind:?} got {} after {time:?}: {text}",
        answer.status
    );
    assert!(time < bound, "{kind:?} took {time:?}: {text}");
    if answer.status == 503 {
        assert!(!answer.header("retry-after").is_empty(), "{text}");
    }
}

/// The same key: the same play, or nothing.
fn same_play(first: &Answer, again: &Answer) {
    if again.status == 201 {
        assert_eq!(first.json()["id"], again.json()["id"], "a key makes one play");
    }
}
