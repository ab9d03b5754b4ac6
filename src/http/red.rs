//! Rate, errors and durations of requests, by route pattern.

use std::time::Duration;

use actix_web::http::StatusCode;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

const LABELS: &[&str] = &["method", "route", "status"];
/// Seconds.
const BUCKETS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted while requests are served.
pub(crate) struct Red {
    registry: Registry,
    in_flight: IntGauge,
    requests: IntCounterVec,
    durations: HistogramVec,
}

/// A request under way, until dropped.
pub(crate) struct UnderWay<'a>(&'a IntGauge);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Red {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let in_flight = IntGauge::new(
            "watchme_http_requests_in_flight",
            "Requests whose answer has not begun.",
        )?;
        let requests = IntCounterVec::new(
            Opts::new("watchme_http_requests_total", "Requests answered, by route and status."),
            LABELS,
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "watchme_http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
            )
            .buckets(BUCKETS.to_vec()),
            LABELS,
        )?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self { registry, in_flight, requests, durations })
    }

    /// Counts a request as under way.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.in_flight.inc();
        UnderWay(&self.in_flight)
    }

    pub(crate) fn observe(
        &self,
        method: &str,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let labels = [method, route.unwrap_or("unmatched"), status.as_str()];
        self.requests.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}
