//! `/admin/audit`: who changed what. There is no route that changes it.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{Timestamp, UserId, bounded_line},
    ports::{AuditEntry, AuditFilter, AuditSubject},
};

use super::{
    AppState, Problem,
    check::Check,
    pages::{self, PageBody},
    query, respond,
    times::TimeOrDate,
};

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry, example = json!({
    "id": 42, "at": "2026-03-01T20:15:00Z", "origin": "request",
    "actor": {"id": "0190f5fe-7c00-7a00-8000-000000000001"}, "address": "203.0.113.7",
    "requestId": "0190f5fe-7c00-7a00-8000-000000000009", "action": "account.disabled",
    "subject": {"kind": "user", "id": "0190f5fe-7c00-7a00-8000-000000000005"},
    "before": {"status": "active"}, "after": {"status": "disabled"}}))]
pub(crate) struct AuditEntryBody {
    #[schema(minimum = 1)]
    id: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// A request, a command of the operator's on the machine, or the start of the service.
    #[schema(pattern = "^(request|command|start)$")]
    origin: &'static str,
    /// Null where nobody was signed in.
    actor: Option<ActorBody>,
    /// The client's; null where there is none, and once the actor's account is deleted.
    #[schema(value_type = Option<String>, required = true, max_length = 45)]
    address: Option<IpAddr>,
    request_id: Option<String>,
    /// What was done, such as `account.disabled`.
    #[schema(max_length = 64)]
    action: String,
    subject: SubjectBody,
    /// What is different now, as it was; null where there was nothing, and once the account that it
    /// tells of is deleted.
    #[schema(value_type = Option<Object>, required = true)]
    before: Option<Value>,
    /// The same as it is since then.
    #[schema(value_type = Option<Object>, required = true)]
    after: Option<Value>,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub(crate) struct ActorBody {
    /// Of an account that may be gone.
    #[schema(value_type = Uuid)]
    id: UserId,
}

/// What it was done to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditSubject)]
pub(crate) struct SubjectBody {
    /// Such as `user`.
    #[schema(max_length = 32)]
    kind: String,
    /// `*` for all of its kind.
    #[schema(max_length = 64)]
    id: String,
}

impl From<AuditEntry> for AuditEntryBody {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, act, action, subject, before, after } = entry;
        let AuditSubject { kind, id: subject_id } = subject;
        Self {
            id,
            at,
            origin: act.origin.as_str(),
            actor: act.actor.map(|id| ActorBody { id }),
            address: act.address,
            request_id: act.request_id,
            action,
            subject: SubjectBody { kind, id: subject_id },
            before,
            after,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
    /// Only what this user did.
    #[param(value_type = Uuid, required = false)]
    actor: Option<String>,
    /// Only what was done to the thing with this id.
    #[param(required = false, min_length = 1, max_length = 64)]
    subject: Option<String>,
    /// Only this action, such as `account.disabled`.
    #[param(required = false, min_length = 1, max_length = 64)]
    action: Option<String>,
    /// Earliest `at`, inclusive: an RFC 3339 time, or a date, from its beginning (UTC).
    #[param(required = false, format = "date-or-time", example = "2026-03-01")]
    from: Option<String>,
    /// Latest `at`: an RFC 3339 time, exclusive, or a date, with the whole of it (UTC).
    #[param(required = false, format = "date-or-time", example = "2026-03-31")]
    to: Option<String>,
}

/// See who changed what
///
/// Accounts, packages, subscriptions that were made or cancelled for somebody else, and what admins
/// do by hand. Newest first; filters combine.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "admin", params(AuditQuery),
    responses((status = 200, description = "A page of entries", body = PageBody<AuditEntryBody>)))]
pub(crate) async fn list(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let wanted: AuditQuery = query::parse(&req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    let word = |check: &mut Check, field: &str, text: Option<String>| {
        text.and_then(|text| check.take(field, bounded_line(&text, 64)))
    };
    let filter = AuditFilter {
        actor: check.optional("actor", wanted.actor.as_deref()),
        subject: word(&mut check, "subject", wanted.subject),
        action: word(&mut check, "action", wanted.action),
        from: check
            .optional("from", wanted.from.as_deref())
            .map(|from: TimeOrDate| from.beginning()),
        to: check.optional("to", wanted.to.as_deref()).map(|to: TimeOrDate| to.end()),
    };
    check.done()?;
    let found = state.ports.audit.entries(&filter, page).await?;
    respond::ok(&PageBody::from(found.map(AuditEntryBody::from)))
}

/// Notes what an admin does by hand and what no store of changes knows of. Before it is done: what
/// cannot be noted is not done.
pub(crate) async fn note(
    state: &AppState,
    action: &'static str,
    kind: &str,
    id: &str,
) -> Result<(), Problem> {
    let subject = AuditSubject { kind: kind.to_owned(), id: id.to_owned() };
    Ok(state.ports.audit.note(action, &subject, state.ports.clock.now()).await?)
}
