//! The way to the server, with an end to every wait. A call that is not answered, or finds nobody,
//! opens the circuit: from then on calls fail at once, until an attempt from outside of them has
//! reached the server. Each attempt uses a client of its own, so that no connection of the time
//! before, which may be dead without knowing it, is ever used again.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mongodb::{
    Client, Database,
    bson::{Document, doc, serialize_to_document},
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use watchme_actors::ports::StoreError;

use super::{
    errors::{is_outage, is_refusal, store_error, unavailable},
    schema,
    settings::MongoSettings,
};

/// Between two attempts to reach the server.
const RETRY: Duration = Duration::from_millis(250);
/// The same where the server is there and refuses: only an operator can mend that, and a wrong
/// password must not be tried four times a second.
const REFUSED: Duration = Duration::from_secs(2);
/// Between two looks at a server that works at its indexes.
const WATCH: Duration = Duration::from_secs(1);

type Driver<T> = mongodb::error::Result<T>;

/// A client that has reached the server.
pub(super) struct Live {
    pub(super) database: Database,
    /// For commands that the driver sends as they are.
    pub(super) write_concern: Document,
}

#[derive(Clone)]
enum State {
    Up(Arc<Live>),
    /// Nobody has been reached yet, or nobody any more, for this reason.
    Away(Arc<str>),
    Ended,
}

/// Who knows whether the server can be called.
pub(super) struct Circuit {
    pub(super) settings: MongoSettings,
    state: watch::Sender<State>,
    /// As many as connections: a call that waits for one is not a server that does not answer.
    permits: Semaphore,
    declared: AtomicBool,
    /// Clients live here and not where a call happens to run: their background tasks have to
    /// outlive the worker that made the call.
    runtime: Handle,
}

impl Circuit {
    /// Begins to look for the server.
    pub(super) fn start(settings: MongoSettings) -> Arc<Self> {
        let circuit = Arc::new(Self {
            permits: Semaphore::new(settings.permits() as usize),
            state: watch::Sender::new(State::Away("it was not reached yet".into())),
            declared: AtomicBool::new(false),
            runtime: Handle::current(),
            settings,
        });
        circuit.runtime.spawn(reach(Arc::downgrade(&circuit)));
        circuit
    }

    /// Makes one call. Ends at once while the server is away, and otherwise within the operation's
    /// time-out, after half of that at most for the wait for a connection: that wait is none of the
    /// call's, whose silence alone says that the server is away.
    pub(super) async fn call<T, Call>(
        self: &Arc<Self>,
        call: impl FnOnce(Arc<Live>) -> Call,
    ) -> Result<T, StoreError>
    where
        Call: Future<Output = Driver<T>>,
    {
        self.live()?;
        let patience = self.settings.operation_timeout;
        let _permit = timeout(patience / 2, self.permits.acquire())
            .await
            .map_err(|_| unavailable("every connection is in use"))?
            .map_err(unavailable)?;
        let live = self.live()?;
        match timeout(patience, call(Arc::clone(&live))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_outage(&error) {
                    self.lost(&live, &error.kind.to_string());
                }
                Err(store_error(&error))
            }
            Err(_) => {
                let reason = format!("no answer within {patience:?}");
                self.lost(&live, &reason);
                Err(unavailable(reason))
            }
        }
    }

    /// Waits until the server is reached and has its collections, for as long as one attempt and
    /// one call may take.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        let mut state = self.state.subscribe();
        let patience = self.settings.connect_timeout + self.settings.operation_timeout;
        let reached = timeout(patience, state.wait_for(|state| !matches!(state, State::Away(_))));
        // Whatever came of the wait, the state says it.
        let _ = reached.await;
        self.live().map(drop)
    }

    pub(super) fn live(&self) -> Result<Arc<Live>, StoreError> {
        match &*self.state.borrow() {
            State::Up(live) => Ok(Arc::clone(live)),
            State::Away(reason) => Err(unavailable(reason)),
            State::Ended => Err(unavailable("it is closed")),
        }
    }

    /// Opens the circuit, unless another client than the one that failed is in use by now.
    fn lost(self: &Arc<Self>, failed: &Arc<Live>, reason: &str) {
        let opened = self.state.send_if_modified(|state| match state {
            State::Up(live) if Arc::ptr_eq(live, failed) => {
                *state = State::Away(reason.into());
                true
            }
            _ => false,
        });
        if opened {
            tracing::warn!(reason, "mongodb is away");
            self.runtime.spawn(reach(Arc::downgrade(self)));
        }
    }

    /// Ends the way for good.
    pub(super) async fn end(&self) {
        let State::Up(live) = self.state.send_replace(State::Ended) else { return };
        let client = live.database.client().clone();
        drop(live);
        // What is still under way has been given up by whoever closes the store.
        let _ = timeout(WATCH, client.shutdown().immediate(true)).await;
    }

    /// One attempt: a fresh client that has reached the server and knows its collections.
    async fn attempt(&self) -> Driver<Live> {
        let late =
            || mongodb::error::Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let reached = timeout(self.settings.connect_timeout, async {
            let (options, name) = self.settings.resolve().await?;
            let database = Client::with_options(options)?.database(&name);
            ping(&database).await?;
            let write_concern = database.write_concern().map(serialize_to_document);
            Driver::Ok(Live {
                write_concern: write_concern.transpose()?.unwrap_or_default(),
                database,
            })
        });
        let live = reached.await.map_err(|_| late())??;
        // Each time: what comes back may be an older copy, or another server without anything.
        // An index over many movies takes its time: it may, as long as the server answers.
        let declared = tokio::select! {
            declared = schema::declare(&live.database) => declared,
            () = silence(&live.database, self.settings.operation_timeout) => Err(late()),
        };
        match declared {
            Ok(()) => self.declared.store(true, Ordering::Release),
            // It was right once: the account may have lost the right to make it so again.
            Err(error) if is_refusal(&error) && self.declared.load(Ordering::Acquire) => {
                tracing::warn!(
                    reason = %error.kind,
                    "the collections of mongodb cannot be checked: indexes may be missing"
                );
            }
            Err(error) => return Err(error),
        }
        Ok(live)
    }
}

pub(super) async fn ping(database: &Database) -> Driver<()> {
    database.run_command(doc! { "ping": 1 }).await.map(drop)
}

/// Returns when the server does not answer any more.
async fn silence(database: &Database, patience: Duration) {
    while let Ok(Ok(())) = timeout(patience, ping(database)).await {
        sleep(WATCH).await;
    }
}

/// Tries to reach the server until it is reached, or nobody needs it any more.
async fn reach(circuit: Weak<Circuit>) {
    let mut told = String::new();
    while let Some(circuit) = circuit.upgrade() {
        if matches!(&*circuit.state.borrow(), State::Ended) {
            return;
        }
        let pause = match circuit.attempt().await {
            Ok(live) => {
                let reached = circuit.state.send_if_modified(|state| {
                    let away = matches!(state, State::Away(_));
                    if away {
                        *state = State::Up(Arc::new(live));
                    }
                    away
                });
                if reached {
                    tracing::info!("mongodb is reached");
                }
                return;
            }
            Err(error) => {
                let reason = error.kind.to_string();
                if reason != told {
                    tracing::warn!(reason, "mongodb cannot be reached");
                    told.clone_from(&reason);
                }
                circuit.state.send_if_modified(|state| {
                    let away = matches!(state, State::Away(_));
                    if away {
                        *state = State::Away(reason.into());
                    }
                    away
                });
                if is_refusal(&error) { REFUSED } else { RETRY }
            }
        };
        drop(circuit);
        sleep(pause).await;
    }
}
