//! `/metrics`: what Prometheus reads. Requests are counted as they happen (`red`); everything
//! else is asked of its owner at each reading.

use std::time::Duration;

use actix_web::{HttpResponse, web::Data};
use prometheus::{Encoder, TextEncoder, proto::MetricFamily};
use watchme_actors::{Handles, domain::Timestamp, tmdb_client::CircuitState};

use super::{
    AppState, ErrorCode, Problem, health::Dependencies, metrics_caches, metrics_reading::Reading,
    metrics_resources,
};

/// The backlog is counted in SQL: without an answer in time it is left out.
const PATIENCE: Duration = Duration::from_secs(1);

/// Read the metrics
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let mut families = state.red.registry().gather();
    families.extend(read(&state).await.map_err(faulty)?);
    families.extend(metrics_caches::read(&state).map_err(faulty)?);
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    encoder.encode(&families, &mut text).map_err(faulty)?;
    Ok(HttpResponse::Ok().content_type(encoder.format_type()).body(text))
}

fn faulty(error: prometheus::Error) -> Problem {
    tracing::error!(%error, "metrics could not be made");
    Problem::of(ErrorCode::Internal)
}

async fn read(state: &AppState) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let reading = Reading::default();
    let handles = &state.handles;
    metrics_resources::build(&reading)?;
    metrics_resources::pools(&reading, state)?;
    metrics_resources::tmdb_quota(&reading, state)?;
    metrics_resources::traces(&reading, state)?;
    actors(&reading, handles)?;
    tmdb(&reading, handles)?;
    sql(&reading, state)?;
    syncs(&reading, handles)?;
    dependencies(&reading, state).await?;
    index(&reading, handles)?;
    let backlog = tokio::time::timeout(PATIENCE, handles.relay.backlog()).await;
    if let Ok(Ok(backlog)) = backlog {
        let age = backlog
            .oldest
            .map_or(0.0, |oldest| state.ports.clock.now().since(oldest).as_secs_f64());
        let events = backlog.events as f64;
        reading.one("watchme_outbox_events", "Events that wait to be published.", events)?;
        reading.one("watchme_outbox_oldest_age_seconds", "Age of the oldest of them.", age)?;
    }
    let relay = handles.relay.status();
    reading.count(
        "watchme_outbox_relayed_total",
        "Events handed to the bus, by outcome.",
        "outcome",
        &[("published", relay.published), ("failed", relay.failures)],
    )?;
    let report = handles.reports.status();
    reading.count(
        "watchme_projection_events_total",
        "Watch events offered to the projections, by outcome.",
        "outcome",
        &[
            ("applied", report.applied),
            ("duplicate", report.duplicates),
            ("gap", report.gaps),
            ("poisoned", report.poisoned),
        ],
    )?;
    reading.count(
        "watchme_projection_rebuilds_total",
        "Projections rebuilt from marks.",
        "",
        &[("", report.rebuilt)],
    )?;
    reading.one(
        "watchme_projection_lag_seconds",
        "Commit to projection of the last event.",
        report.lag.as_secs_f64(),
    )?;
    reading.one(
        "watchme_projection_partitions",
        "Partitions of watch events that this process folds.",
        report.partitions as f64,
    )?;
    trending(&reading, handles)?;
    housekeeping(&reading, handles)?;
    mails(&reading, state).await?;
    let held = handles.leases.held();
    let held: Vec<(&str, f64)> = held.iter().map(|name| (name.as_str(), 1.0)).collect();
    reading.gauge(
        "watchme_lease_held",
        "1 for each lease that this process holds, as far as it knows.",
        "name",
        &held,
    )?;
    let alone = if handles.alone.now() { 1.0 } else { 0.0 };
    reading.one(
        "watchme_changes_disconnected",
        "1 while the changes of other replicas do not arrive.",
        alone,
    )?;
    Ok(reading.gather())
}

fn actors(reading: &Reading, handles: &Handles) -> Result<(), prometheus::Error> {
    let actors = handles.actors();
    let gauge = |value: fn(&watchme_actors::supervision::ActorHealth) -> f64| {
        actors.iter().map(|actor| (actor.name, value(actor))).collect::<Vec<_>>()
    };
    let count = |value: fn(&watchme_actors::supervision::ActorHealth) -> u64| {
        actors.iter().map(|actor| (actor.name, value(actor))).collect::<Vec<_>>()
    };
    reading.gauge(
        "watchme_actor_alive",
        "Whether an actor takes messages.",
        "actor",
        &gauge(|actor| if actor.alive { 1.0 } else { 0.0 }),
    )?;
    reading.gauge(
        "watchme_actor_mailbox_messages",
        "Requests under way to an actor.",
        "actor",
        &gauge(|actor| actor.mailbox as f64),
    )?;
    reading.count(
        "watchme_actor_restarts_total",
        "Restarts after a caught panic.",
        "actor",
        &count(|actor| actor.restarts),
    )?;
    reading.count(
        "watchme_actor_rebuilds_total",
        "Rebuilds from the factory.",
        "actor",
        &count(|actor| actor.rebuilds),
    )
}

fn sql(reading: &Reading, state: &AppState) -> Result<(), prometheus::Error> {
    let Some(writes) = state.ports.sql.writes() else { return Ok(()) };
    reading.count(
        "watchme_sql_writes_total",
        "Pieces of work that write to SQL, by what became of them.",
        "outcome",
        &[("committed", writes.committed), ("refused", writes.refused)],
    )?;
    reading.count(
        "watchme_sql_commits_total",
        "Commits to SQL; those that come together share one.",
        "",
        &[("", writes.commits)],
    )
}

fn tmdb(reading: &Reading, handles: &Handles) -> Result<(), prometheus::Error> {
    let status = handles.tmdb.status();
    let is = |state: CircuitState| if status.circuit == state { 1.0 } else { 0.0 };
    reading.gauge(
        "watchme_tmdb_circuit_state",
        "1 for the state that the circuit breaker is in.",
        "state",
        &[
            ("closed", is(CircuitState::Closed)),
            ("half_open", is(CircuitState::HalfOpen)),
            ("open", is(CircuitState::Open)),
        ],
    )?;
    for (name, help, value) in [
        ("watchme_tmdb_requests_total", "Requests sent to TMDb.", status.requests),
        ("watchme_tmdb_failures_total", "Requests that TMDb failed.", status.failures),
        (
            "watchme_tmdb_rate_limited_total",
            "Answers that asked for patience.",
            status.rate_limited,
        ),
        ("watchme_tmdb_malformed_total", "Answers that could not be read.", status.malformed),
        ("watchme_tmdb_retries_total", "Requests sent again.", status.retries),
        ("watchme_tmdb_coalesced_total", "Questions that shared an answer.", status.coalesced),
    ] {
        reading.count(name, help, "", &[("", value)])?;
    }
    Ok(())
}

async fn dependencies(reading: &Reading, state: &AppState) -> Result<(), prometheus::Error> {
    let up = Dependencies::ask(&state.ports).await;
    let gauge = |up: bool| if up { 1.0 } else { 0.0 };
    reading.gauge(
        "watchme_dependency_up",
        "1 while what the service depends on answers.",
        "dependency",
        &[("sql", gauge(up.sql)), ("documents", gauge(up.documents)), ("bus", gauge(up.bus))],
    )
}

fn index(reading: &Reading, handles: &Handles) -> Result<(), prometheus::Error> {
    let status = handles.index.status();
    reading.one(
        "watchme_index_films",
        "Films that lists are made of; 0 until they were read.",
        status.films as f64,
    )?;
    reading.one("watchme_index_bytes", "What the index of films takes.", status.bytes as f64)?;
    reading.one(
        "watchme_index_build_seconds",
        "How long making the whole index took last.",
        status.build.as_secs_f64(),
    )?;
    if let Some(age) = status.age() {
        reading.one(
            "watchme_index_age_seconds",
            "How long ago it was compared with all that is stored.",
            age.as_secs_f64(),
        )?;
    }
    Ok(())
}

async fn mails(reading: &Reading, state: &AppState) -> Result<(), prometheus::Error> {
    let Some(mailer) = &state.handles.mailer else { return Ok(()) };
    let status = mailer.status();
    reading.count(
        "watchme_mails_total",
        "Mails that were due, by what became of them; one that failed is due again.",
        "outcome",
        &[
            ("sent", status.sent),
            ("failed", status.failures),
            ("given_up", status.given_up),
            ("dropped", status.dropped),
        ],
    )?;
    if let Ok(Ok(backlog)) = tokio::time::timeout(PATIENCE, mailer.backlog()).await {
        let now = state.ports.clock.now();
        let age = backlog.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        reading.one("watchme_mails_waiting", "Mails that wait.", backlog.mails as f64)?;
        reading.one("watchme_mails_oldest_age_seconds", "Age of the oldest of them.", age)?;
    }
    Ok(())
}

fn trending(reading: &Reading, handles: &Handles) -> Result<(), prometheus::Error> {
    let status = handles.trending.status();
    reading.count(
        "watchme_views_total",
        "Views of movies' details, by what became of them.",
        "outcome",
        &[("counted", status.views), ("repeated", status.repeated), ("dropped", status.dropped)],
    )?;
    reading.one(
        "watchme_trending_waiting",
        "Movies whose counts wait to be stored.",
        status.waiting as f64,
    )?;
    if let Some(age) = handles.trending.films().age() {
        reading.one(
            "watchme_trending_age_seconds",
            "How long ago the trending films were read.",
            age.as_secs_f64(),
        )?;
    }
    Ok(())
}

fn housekeeping(reading: &Reading, handles: &Handles) -> Result<(), prometheus::Error> {
    let status = handles.housekeeping.status();
    let swept = status.swept;
    reading.count(
        "watchme_housekeeping_deleted_total",
        "What had expired and was deleted.",
        "kind",
        &[
            ("audit_entry", swept.audit_entries),
            ("idempotency_key", swept.idempotency_keys),
            ("mail", swept.mails),
            ("mail_token", swept.mail_tokens),
            ("session", swept.sessions),
            ("throttle", swept.throttles),
        ],
    )?;
    reading.count(
        "watchme_housekeeping_failures_total",
        "Sweeps of what had expired that failed.",
        "",
        &[("", status.failures)],
    )
}

fn syncs(reading: &Reading, handles: &Handles) -> Result<(), prometheus::Error> {
    let seconds = |at: Option<Timestamp>| at.map_or(0.0, |at| at.as_millis() as f64 / 1000.0);
    let (genres, catalogue) = (handles.genres.status(), handles.catalogue_sync.progress());
    reading.gauge(
        "watchme_sync_last_success_timestamp_seconds",
        "When a synchronisation last came to its end; 0 before the first.",
        "sync",
        &[
            ("genres", seconds(genres.record.last_success)),
            ("catalogue", seconds(catalogue.record.last_success)),
        ],
    )?;
    reading.count(
        "watchme_genre_sync_failures_total",
        "Synchronisations of genres that failed.",
        "",
        &[("", genres.failures)],
    )?;
    reading.gauge(
        "watchme_catalogue_pages",
        "Pages of the catalogue's synchronisation.",
        "progress",
        &[("done", f64::from(catalogue.pages_done)), ("total", f64::from(catalogue.pages_total))],
    )?;
    reading.count(
        "watchme_catalogue_rejected_rows_total",
        "Rows of TMDb's lists that could not be read.",
        "",
        &[("", catalogue.rejected)],
    )
}
