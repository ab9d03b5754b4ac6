//! What of `/metrics` tells of scarce things: connections, the pace towards TMDb, the room for
//! spans; and of the build.

use super::{AppState, metrics_reading::Reading};

/// The version, what it was made of, and what with.
pub(super) fn build(reading: &Reading) -> Result<(), prometheus::Error> {
    reading.labelled(
        "watchme_build_info",
        "1, labelled with what was built: version, revision of the source, compiler.",
        &["version", "revision", "rustc"],
        &[(&[env!("CARGO_PKG_VERSION"), env!("WATCHME_REVISION"), env!("WATCHME_RUSTC")], 1.0)],
    )
}

pub(super) fn pools(reading: &Reading, state: &AppState) -> Result<(), prometheus::Error> {
    let pools = state.ports.pools.pools();
    let connections: Vec<_> = pools
        .iter()
        .flat_map(|it| [([it.pool, "in_use"], it.in_use), ([it.pool, "idle"], it.idle)])
        .collect();
    let connections: Vec<(&[&str], f64)> =
        connections.iter().map(|(labels, number)| (&labels[..], f64::from(*number))).collect();
    reading.labelled(
        "watchme_sql_connections",
        "Open connections to SQL, by pool and what they are doing.",
        &["pool", "state"],
        &connections,
    )?;
    let most: Vec<_> = pools.iter().map(|it| (it.pool, f64::from(it.most))).collect();
    let most_help = "Connections that a pool may open.";
    reading.gauge("watchme_sql_connections_max", most_help, "pool", &most)?;
    let count = |value: fn(&watchme_actors::ports::PoolUse) -> u64| {
        pools.iter().map(|it| (it.pool, value(it))).collect::<Vec<_>>()
    };
    reading.count(
        "watchme_sql_connection_requests_total",
        "Times that a connection was asked for.",
        "pool",
        &count(|it| it.asked),
    )?;
    reading.count(
        "watchme_sql_connection_refusals_total",
        "Times that none came in time, or would not have come soon.",
        "pool",
        &count(|it| it.refused),
    )?;
    let waited: Vec<_> = pools.iter().map(|it| (it.pool, it.waited.as_secs_f64())).collect();
    reading.seconds(
        "watchme_sql_connection_wait_seconds_total",
        "Time for which connections were waited for.",
        "pool",
        &waited,
    )
}

pub(super) fn tmdb_quota(reading: &Reading, state: &AppState) -> Result<(), prometheus::Error> {
    let status = state.handles.tmdb.status();
    if let Some(rate) = status.rate {
        reading.one(
            "watchme_tmdb_quota_requests_per_second",
            "Requests a second that TMDb may be sent.",
            f64::from(rate.get()),
        )?;
    }
    reading.one(
        "watchme_tmdb_waiting_requests",
        "Requests that wait for their turn to be sent.",
        status.waiting as f64,
    )?;
    reading.one(
        "watchme_tmdb_pause_seconds",
        "For how long TMDb is left alone, since it asked for patience.",
        status.paused_for.as_secs_f64(),
    )
}

pub(super) fn traces(reading: &Reading, state: &AppState) -> Result<(), prometheus::Error> {
    let Some(traces) = &state.ports.traces else { return Ok(()) };
    let status = traces.status();
    reading.count(
        "watchme_trace_spans_total",
        "Spans that have ended, by what became of them.",
        "outcome",
        &[("exported", status.exported), ("failed", status.failed), ("dropped", status.dropped)],
    )?;
    reading.one(
        "watchme_trace_spans_waiting",
        "Spans on their way to the collector.",
        status.waiting as f64,
    )
}
