//! The limit on every client, whatever it asks for. Each replica counts for itself, in memory: this
//! is not to be exact but to cost next to nothing.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use arc_swap::ArcSwap;
use governor::{
    RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use watchme_actors::domain::{Quota, RateLimit};

use crate::http::{
    AppState, ErrorCode, Problem,
    client_address::{self, network_of},
    quotas::{self, Policy},
};

/// Asked by balancers, which must not be refused. Everything else is limited, however its path is
/// written; `/health` and `/metrics` too, which ask the stores.
const UNLIMITED: [&str; 2] = ["/livez", "/readyz"];
/// Clients that are nothing special any more are forgotten after so many requests.
const TIDY_EVERY: u32 = 1 << 16;
/// With more clients than these all are forgotten: a limit on each would hold none of them back.
const MOST_CLIENTS: usize = 100_000;

type Limiter<C> = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, StateInformationMiddleware>;

/// Counts the requests of each client.
pub(crate) struct ClientLimit<C: Clock = DefaultClock> {
    policy: Policy,
    quota: governor::Quota,
    clock: C,
    limiter: ArcSwap<Limiter<C>>,
    checks: AtomicU32,
}

impl ClientLimit {
    /// `None` for a period that is too short to be shared out.
    pub(crate) fn new(limit: RateLimit) -> Option<Self> {
        Self::by(DefaultClock::default(), limit)
    }
}

impl<C: Clock + Clone> ClientLimit<C> {
    fn by(clock: C, limit: RateLimit) -> Option<Self> {
        let quota = governor::Quota::with_period(limit.period / limit.count.get())?;
        let quota = quota.allow_burst(limit.count);
        let limiter = ArcSwap::from_pointee(limiter(quota, &clock));
        let policy = Policy { name: "client", limit };
        Some(Self { policy, quota, clock, limiter, checks: AtomicU32::new(0) })
    }

    /// Counts a request of this client, and notes what is left.
    ///
    /// # Errors
    /// After how long the next one may come, where it may not now.
    fn check(&self, client: IpAddr) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.tidy();
        }
        let checked = self.limiter.load().check_key(&client);
        let remaining = checked.as_ref().map_or(0, |state| state.remaining_burst_capacity());
        let used = self.policy.limit.count.get().saturating_sub(remaining);
        let full_in = self.quota.replenish_interval().saturating_mul(used);
        quotas::note(self.policy, Quota { remaining, full_in });
        checked.map(drop).map_err(|too_early| too_early.wait_time_from(self.clock.now()))
    }

    fn tidy(&self) {
        let known = self.limiter.load();
        known.retain_recent();
        if known.len() > MOST_CLIENTS {
            self.limiter.store(limiter(self.quota, &self.clock).into());
        }
    }
}

fn limiter<C: Clock + Clone>(quota: governor::Quota, clock: &C) -> Limiter<C> {
    RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware()
}

/// Finds out where a request comes from, and lets it in unless too many come from there.
pub(crate) async fn limited<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if let Some(state) = req.app_data::<web::Data<AppState>>() {
        let client = client_address::find(&req, &state.settings.trusted_proxies);
        if let Some(limit) = &state.client_limit
            && !UNLIMITED.contains(&req.path())
            && let Err(wait) = limit.check(network_of(client))
        {
            let problem = Problem::of(ErrorCode::TooManyRequests).retry_after(wait);
            // Not `into_response`, which would lose the problem that the answer was made of.
            let (request, _) = req.into_parts();
            let response = HttpResponse::from_error(problem).map_into_right_body();
            return Ok(ServiceResponse::new(request, response));
        }
    }
    Ok(next.call(req).await?.map_into_left_body())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::http::quotas::noting;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(count: u32, period: Duration) -> (ClientLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit { count: count.try_into().unwrap(), period };
        (ClientLimit::by(clock.clone(), limit).unwrap(), clock)
    }

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[tokio::test]
    async fn each_client_has_a_limit_of_its_own_that_fills_again() {
        let (limit, clock) = limit(4, SECOND);
        let check = async |number| {
            let (outcome, noted) = noting(async { limit.check(client(number)) }).await;
            (outcome.err(), noted[0].1.remaining, noted[0].1.full_in.as_millis())
        };
        for left in [3, 2, 1, 0] {
            assert_eq!(check(1).await, (None, left, u128::from(4 - left) * 250));
        }
        assert_eq!(check(1).await, (Some(SECOND / 4), 0, 1_000));
        assert_eq!(check(2).await, (None, 3, 250));
        clock.advance(SECOND / 2);
        assert_eq!(check(1).await, (None, 1, 750));
    }

    #[test]
    fn a_million_clients_do_not_stay() {
        let (limit, clock) = limit(10, SECOND);
        for number in 0..1_000_000 {
            limit.check(client(number)).unwrap();
            clock.advance(Duration::from_micros(20));
        }
        limit.tidy();
        assert!(limit.limiter.load().len() < 20_000, "{} are known", limit.limiter.load().len());
    }

    #[test]
    fn a_million_clients_at_once_are_not_remembered() {
        let (limit, _) = limit(10, SECOND * 86_400);
        let mut most = 0;
        for number in 0..1_000_000 {
            limit.check(client(number)).unwrap();
            if number % 10_000 == 0 {
                most = limit.limiter.load().len().max(most);
            }
        }
        assert!(most < MOST_CLIENTS + 2 * TIDY_EVERY as usize, "{most} were known at once");
    }
}
