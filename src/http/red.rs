//! Rate, errors and durations of requests, by route pattern.

use std::time::Duration;

use actix_web::http::StatusCode;
use prometheus::{
    HistogramOpts, HistogramVec, IntGauge, Opts, Registry,
    core::{Collector, Desc, Describer},
    proto::{Counter, Metric, MetricFamily, MetricType},
};

const LABELS: [&str; 3] = ["method", "route", "status"];
/// Seconds.
const BUCKETS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted while requests are served.
pub(crate) struct Red {
    registry: Registry,
    in_flight: IntGauge,
    durations: HistogramVec,
}

/// How many requests were answered: as many as were timed. Not counted by itself, since every request
/// would look for its place twice.
struct Answered {
    description: Desc,
    durations: HistogramVec,
}

impl Collector for Answered {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut family = MetricFamily::default();
        family.set_name(self.description.fq_name.clone());
        family.set_help(self.description.help.clone());
        family.set_field_type(MetricType::COUNTER);
        for timed in self.durations.collect() {
            for timed in timed.get_metric() {
                let mut counter = Counter::default();
                counter.set_value(timed.get_histogram().get_sample_count() as f64);
                let mut answered = Metric::default();
                answered.set_label(timed.get_label().to_vec());
                answered.set_counter(counter);
                family.mut_metric().push(answered);
            }
        }
        vec![family]
    }
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
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "watchme_http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
            )
            .buckets(BUCKETS.to_vec()),
            &LABELS,
        )?;
        registry.register(Box::new(in_flight.clone()))?;
        let opts =
            Opts::new("watchme_http_requests_total", "Requests answered, by route and status.");
        let description = opts.variable_labels(LABELS.map(str::to_owned).to_vec()).describe()?;
        registry.register(Box::new(Answered { description, durations: durations.clone() }))?;
        registry.register(Box::new(durations.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self { registry, in_flight, durations })
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
        self.durations.with_label_values(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}
