//! How often what is remembered was enough, for `/metrics`.

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry, proto::MetricFamily};

use super::{AppState, answers::CacheStatus};

/// Every cache, whatever it holds.
pub(crate) fn read(state: &AppState) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let requests = IntCounterVec::new(
        Opts::new(
            "watchme_cache_requests_total",
            "Questions to what is remembered: answered by it, not, or by what may be old.",
        ),
        &["cache", "outcome"],
    )?;
    let bytes = GaugeVec::new(
        Opts::new("watchme_cache_bytes", "What is remembered, every coding included."),
        &["cache"],
    )?;
    let count = |cache: &str, outcomes: &[(&str, u64)]| {
        for (outcome, number) in outcomes {
            requests.with_label_values(&[cache, *outcome]).inc_by(*number);
        }
    };
    for CacheStatus { name, hits, misses, stale, bytes: held } in state.answers.status() {
        count(name, &[("hit", hits), ("miss", misses), ("stale", stale)]);
        bytes.with_label_values(&[name]).set(held as f64);
    }
    let (hits, misses) = state.watched_at.status();
    count("watched_at", &[("hit", hits), ("miss", misses)]);
    let registry = Registry::new();
    registry.register(Box::new(requests))?;
    registry.register(Box::new(bytes))?;
    Ok(registry.gather())
}
