//! TmdbClientActor.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::{Instant, timeout};

use super::{
    circuit::{Admitted, Circuit, CircuitState},
    handle::Counters,
    messages::{Fetch, Probe, TmdbAnswer, TmdbError, TmdbRequest},
    pace::Pace,
};
use crate::{
    backoff::Backoff,
    ports::{MetadataError, MetadataSource, traced_if},
    supervision::{ActorError, LifeLine, guarded, restart_after_panic},
};

/// Times that one request is sent, the first included.
const ATTEMPTS: u32 = 3;
/// A pause that the source asked for and that is longer than this is not waited for: the
/// requester is told at once and may have something stored.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Requests in flight, those included that nobody waits for any more.
const IN_FLIGHT: usize = 512;
/// A request that failed only after this is not sent again: whoever is silent would be silent
/// then, and the circuit has to hear of it.
const SILENCE: Duration = Duration::from_secs(4);
/// A probe that is silent for so long has failed: what hangs in an outage must not outlast it.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);
/// How long to leave a source alone that says 429 without a `Retry-After`.
const PATIENCE: Duration = Duration::from_secs(1);

type Answer = Result<TmdbAnswer, TmdbError>;

/// Owns the rate, the circuit and the requests in flight.
pub(super) struct TmdbClientActor {
    life: LifeLine,
    source: Arc<dyn MetadataSource>,
    pace: Arc<Pace>,
    circuit: Circuit,
    in_flight: HashMap<TmdbRequest, Shared<BoxFuture<'static, Answer>>>,
    counters: Arc<Counters>,
}

impl TmdbClientActor {
    pub(super) fn new(
        life: LifeLine,
        source: Arc<dyn MetadataSource>,
        pace: Arc<Pace>,
        counters: Arc<Counters>,
    ) -> Self {
        let actor = Self {
            life,
            source,
            pace,
            circuit: Circuit::default(),
            in_flight: HashMap::new(),
            counters,
        };
        actor.publish_circuit();
        actor
    }

    fn publish_circuit(&self) {
        self.counters.circuit.set(self.circuit.state());
    }

    fn finished(
        &mut self,
        request: &TmdbRequest,
        admitted: Admitted,
        answer: &Answer,
        context: &mut Context<Self>,
    ) {
        self.in_flight.remove(request);
        match answer {
            Err(TmdbError::Actor(_)) => {
                self.circuit.abandoned();
                restart_after_panic(context);
            }
            // A source that says 429 works, and one that refuses a request has read it.
            Ok(_)
            | Err(TmdbError::Source(
                MetadataError::RateLimited { .. } | MetadataError::Refused(_),
            )) => {
                self.circuit.succeeded();
            }
            Err(TmdbError::Source(error)) => {
                tracing::warn!(%error, kind = error.kind(), asked = request.kind(), "the metadata source failed");
                if let Some(open_for) = self.circuit.failed(admitted) {
                    // Somebody has to find out that it works again, even if nobody asks.
                    context.notify_later(Probe, open_for);
                }
            }
            Err(TmdbError::CircuitOpen { .. }) => {}
        }
        self.publish_circuit();
    }
}

/// Sends one request, again where that makes sense, never faster than the pace.
async fn attempts(
    source: Arc<dyn MetadataSource>,
    pace: Arc<Pace>,
    counters: Arc<Counters>,
    request: TmdbRequest,
    admitted: Admitted,
) -> Answer {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
    let mut attempt = 1;
    loop {
        if let Err(left) = pace.turn(LONGEST_WAIT).await {
            return Err(MetadataError::RateLimited { retry_after: Some(left) }.into());
        }
        counters.requests.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let asked = guarded(async {
            match admitted {
                Admitted::AsUsual => ask(&*source, &request).await,
                Admitted::AsProbe => timeout(PROBE_PATIENCE, ask(&*source, &request))
                    .await
                    .unwrap_or_else(|_| Err(MetadataError::Unavailable("too slow".to_owned()))),
            }
        });
        let error = match asked.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_panicked) => return Err(ActorError::Restarting.into()),
        };
        counters.failed(&error);
        if let MetadataError::RateLimited { retry_after } = &error {
            pace.pause(retry_after.unwrap_or(PATIENCE));
        }
        let last = attempt == ATTEMPTS || admitted == Admitted::AsProbe;
        if last || !error.is_transient() || sent.elapsed() >= SILENCE {
            return Err(error.into());
        }
        attempt += 1;
        counters.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(backoff.after_failure()).await;
    }
}

async fn ask(
    source: &dyn MetadataSource,
    request: &TmdbRequest,
) -> Result<TmdbAnswer, MetadataError> {
    Ok(match request {
        TmdbRequest::Genres => TmdbAnswer::Genres(Arc::new(source.genres().await?)),
        TmdbRequest::EnglishGenres => TmdbAnswer::Genres(Arc::new(source.english_genres().await?)),
        TmdbRequest::Discover { genre, page } => {
            TmdbAnswer::Page(Arc::new(source.discover(*genre, *page).await?))
        }
        TmdbRequest::Search { text, page } => {
            TmdbAnswer::Page(Arc::new(source.search(text, *page).await?))
        }
        TmdbRequest::Movie(id) => TmdbAnswer::Movie(source.movie(*id).await?.map(Arc::new)),
    })
}

impl Actor for TmdbClientActor {
    type Context = Context<Self>;
}

impl Supervised for TmdbClientActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        // What was in flight is driven on by those who wait for it, if any; nobody joins it.
        self.in_flight.clear();
        self.circuit.abandoned();
        self.life.restarted();
    }
}

impl Handler<Fetch> for TmdbClientActor {
    type Result = ResponseFuture<Answer>;

    fn handle(&mut self, fetch: Fetch, context: &mut Context<Self>) -> Self::Result {
        let Fetch { request, trace } = fetch;
        if let Some(shared) = self.in_flight.get(&request) {
            self.counters.coalesced.fetch_add(1, Ordering::Relaxed);
            return Box::pin(shared.clone());
        }
        if self.in_flight.len() >= IN_FLIGHT {
            return Box::pin(std::future::ready(Err(ActorError::Busy.into())));
        }
        let admitted = self.circuit.admit();
        self.publish_circuit();
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(retry_after) => {
                return Box::pin(std::future::ready(Err(TmdbError::CircuitOpen { retry_after })));
            }
        };
        let work = attempts(
            Arc::clone(&self.source),
            Arc::clone(&self.pace),
            Arc::clone(&self.counters),
            request.clone(),
            admitted,
        );
        let shared = traced_if(trace, work).boxed().shared();
        self.in_flight.insert(request.clone(), shared.clone());
        // Spawned, so that it goes on when everybody who waits has given up.
        context.spawn(shared.clone().into_actor(self).map(move |answer, actor, context| {
            actor.finished(&request, admitted, &answer, context);
        }));
        Box::pin(shared)
    }
}

impl Handler<Probe> for TmdbClientActor {
    type Result = ();

    fn handle(&mut self, _: Probe, context: &mut Context<Self>) {
        if self.circuit.state() != CircuitState::Closed {
            context.address().do_send(Fetch { request: TmdbRequest::Genres, trace: None });
        }
    }
}

crate::injectable!(TmdbClientActor);
