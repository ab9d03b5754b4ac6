//! What is left of the limits that a request counts towards, as its answer tells it: `RateLimit`
//! and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).

use std::{cell::RefCell, fmt::Write};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use watchme_actors::domain::{Quota, RateLimit};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A limit by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// ASCII, without quotes.
    pub(crate) name: &'static str,
    pub(crate) limit: RateLimit,
}

tokio::task_local! {
    static NOTED: RefCell<Vec<(Policy, Quota)>>;
}

/// Answers a request; gives with the answer what was noted on the way to it.
pub(crate) async fn noting<T>(work: impl Future<Output = T>) -> (T, Vec<(Policy, Quota)>) {
    NOTED.scope(RefCell::default(), async { (work.await, NOTED.with(RefCell::take)) }).await
}

/// Notes what is left of a limit. Outside of [`noting`] there is no answer that could tell it.
pub(crate) fn note(policy: Policy, quota: Quota) {
    let _ = NOTED.try_with(|noted| noted.borrow_mut().push((policy, quota)));
}

/// Writes what was noted into the headers of an answer.
pub(crate) fn write(noted: &[(Policy, Quota)], headers: &mut HeaderMap) {
    if noted.is_empty() {
        return;
    }
    let (mut policies, mut quotas) = (String::with_capacity(64), String::with_capacity(64));
    for (Policy { name, limit }, Quota { remaining, full_in }) in noted {
        let separator = if policies.is_empty() { "" } else { ", " };
        let (count, period) = (limit.count, limit.period.as_secs());
        let full_in = full_in.as_millis().div_ceil(1_000);
        // Writing into a text cannot fail.
        let _ = write!(policies, "{separator}\"{name}\";q={count};w={period}");
        let _ = write!(quotas, "{separator}\"{name}\";r={remaining};t={full_in}");
    }
    for (name, value) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, quotas)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_answer_tells_what_was_noted_on_the_way_to_it() {
        let policy = |name, count: u32, seconds| {
            let period = Duration::from_secs(seconds);
            Policy { name, limit: RateLimit { count: count.try_into().unwrap(), period } }
        };
        let ((), noted) = noting(async {
            let full_in = Duration::from_millis(2_001);
            note(policy("client", 2_000, 1), Quota { remaining: 1_999, full_in: Duration::ZERO });
            note(policy("login", 300, 900), Quota { remaining: 299, full_in });
        })
        .await;
        let mut headers = HeaderMap::new();
        write(&noted, &mut headers);
        assert_eq!(
            headers.get("RateLimit-Policy").unwrap(),
            r#""client";q=2000;w=1, "login";q=300;w=900"#
        );
        assert_eq!(headers.get("RateLimit").unwrap(), r#""client";r=1999;t=0, "login";r=299;t=3"#);
    }
}
