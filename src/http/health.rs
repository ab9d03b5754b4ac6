//! Probes: whether the process lives, whether traffic should come here, and how everything is.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{HttpResponse, web::Data};
use futures_util::future::join3;
use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::{
    catalogue_sync::CatalogueState, domain::Timestamp, tmdb_client::CircuitState,
};

use super::{AppState, ErrorCode, Ports, Problem};

/// What does not answer within this is down.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does the process live?
///
/// Touches nothing.
#[utoipa::path(get, path = "/livez", tag = "operation",
    responses((status = 204, description = "It does")))]
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Should traffic come here?
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 204, description = "It should")))]
pub(crate) async fn readyz(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    if state.readiness.is_draining() {
        return Err(Problem::new(ErrorCode::Overloaded, "the service is stopping"));
    }
    if !answers(state.ports.sql.check()).await {
        return Err(Problem::of(ErrorCode::StoreUnavailable));
    }
    Ok(HttpResponse::NoContent().finish())
}

/// How well something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
// A name of its own in the document: the whole answer is called `Health` there.
#[schema(as = HealthStatus)]
pub(crate) enum Health {
    /// As it should.
    Pass,
    /// What depends on it is stale or late.
    Warn,
    /// The service cannot work without it.
    Fail,
}

/// How everything is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthReport, example = json!({"status": "pass",
    "checks": {"sql": {"status": "pass"}, "documents": {"status": "pass"},
        "bus": {"status": "pass"}, "tmdb": {"status": "pass"}, "genreSync": {"status": "pass"},
        "actors": {"status": "pass"}, "mail": {"status": "pass"}},
    "catalogue": {"state": "ready", "pagesDone": 950, "pagesTotal": 950, "movies": 11273}}))]
pub(crate) struct HealthBody {
    /// The worst of the checks.
    status: Health,
    /// By name.
    checks: BTreeMap<&'static str, CheckBody>,
    catalogue: CatalogueBody,
}

/// One check.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthCheck)]
pub(crate) struct CheckBody {
    status: Health,
    /// When it last worked, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<Timestamp>,
}

/// How far the catalogue has been filled.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CatalogueHealth)]
pub(crate) struct CatalogueBody {
    #[schema(value_type = String, pattern = "^(syncing|ready|failed)$")]
    state: &'static str,
    #[schema(minimum = 0)]
    pages_done: u32,
    #[schema(minimum = 0)]
    pages_total: u32,
    /// How many movies are stored; null while the store does not answer.
    #[schema(minimum = 0)]
    movies: Option<u64>,
}

/// How is everything?
///
/// For people and dashboards: always 200, `fail` without the main store, `warn` where something is
/// stale or late. Whether traffic should come here, `/readyz` says.
#[utoipa::path(get, path = "/health", tag = "operation",
    responses((status = 200, description = "Every dependency", body = HealthBody)))]
pub(crate) async fn health(state: Data<AppState>) -> HttpResponse {
    let ports = &state.ports;
    let handles = &state.handles;
    let Dependencies { sql, documents, bus } = Dependencies::ask(ports).await;
    let movies = match documents {
        true => {
            tokio::time::timeout(PATIENCE, ports.catalogue.count()).await.ok().and_then(Result::ok)
        }
        false => None,
    };
    let progress = handles.catalogue_sync.progress();
    let genres = handles.genres.status();
    let plain = |status| CheckBody { status, last_success: None };
    let warn_unless = |well: bool| if well { Health::Pass } else { Health::Warn };
    let mut checks = BTreeMap::from([
        ("sql", plain(if sql { Health::Pass } else { Health::Fail })),
        ("documents", plain(warn_unless(documents))),
        ("bus", plain(warn_unless(bus))),
        ("tmdb", plain(warn_unless(handles.tmdb.status().circuit == CircuitState::Closed))),
        (
            "genreSync",
            CheckBody {
                status: warn_unless(
                    genres.last_error.is_none() && !handles.genres.list().is_empty(),
                ),
                last_success: genres.record.last_success,
            },
        ),
        (
            "catalogueSync",
            CheckBody {
                status: warn_unless(progress.state != CatalogueState::Failed),
                last_success: progress.record.last_success,
            },
        ),
        ("actors", plain(warn_unless(handles.actors().iter().all(|actor| actor.alive)))),
    ]);
    if let Some(mailer) = &handles.mailer {
        let mails = mailer.status();
        let status = warn_unless(!mails.failing);
        checks.insert("mail", CheckBody { status, last_success: mails.last_success });
    }
    let status = checks.values().map(|check| check.status).max().unwrap_or(Health::Pass);
    let catalogue = CatalogueBody {
        state: progress.state.as_str(),
        pages_done: progress.pages_done,
        pages_total: progress.pages_total,
        movies,
    };
    HttpResponse::Ok().json(HealthBody { status, checks, catalogue })
}

/// Which of the stores and the bus answer.
pub(super) struct Dependencies {
    pub(super) sql: bool,
    pub(super) documents: bool,
    pub(super) bus: bool,
}

impl Dependencies {
    /// All of them at once, each within [`PATIENCE`].
    pub(super) async fn ask(ports: &Ports) -> Self {
        let (sql, documents, bus) = join3(
            answers(ports.sql.check()),
            answers(ports.documents.check()),
            answers(ports.bus.check()),
        )
        .await;
        Self { sql, documents, bus }
    }
}

async fn answers<E: std::fmt::Display>(check: impl Future<Output = Result<(), E>>) -> bool {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a health check failed");
            false
        }
        Err(_) => {
            tracing::warn!("a health check timed out");
            false
        }
    }
}
