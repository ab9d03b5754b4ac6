//! The audit log: who changed what, when and from where, written in the transaction of the change.

use async_trait::async_trait;
use serde_json::{Map, Value};
use sqlx::{Any, AnyConnection, QueryBuilder, any::AnyRow};
use watchme_actors::{
    domain::{Page, PageRequest, Timestamp, UserId},
    ports::{
        Act, AuditEntry, AuditFilter, AuditLog, AuditSubject, Origin, StoreError, current_act,
    },
};

use super::{
    SqlStore,
    batch::Batch,
    errors::Db,
    rows::{get, json, number, offset, optional, parsed, time},
    work::Tx,
};

/// What tells of a person, in entries of what was done to an account, and in those of what somebody
/// did to it without having signed in: most likely its owner. Binds: the account.
pub(super) const FORGET_SUBJECT: &str = "UPDATE audit_log SET before_state = NULL,
    after_state = NULL, address = CASE WHEN actor_id IS NULL THEN NULL ELSE address END
    WHERE subject_id = ?";

/// From where somebody acted. Binds: the account.
pub(super) const FORGET_ACTOR: &str = "UPDATE audit_log SET address = NULL WHERE actor_id = ?";

/// A change, as the log tells of it.
pub(super) struct Entry<'a> {
    /// Such as `account.disabled`: what it was done to, and what was done.
    pub(super) action: &'static str,
    /// Such as `user`.
    pub(super) subject_kind: &'static str,
    pub(super) subject_id: &'a str,
    /// An object without secrets, as it was.
    pub(super) before: Option<Value>,
    /// The same as it is now. What did not change is left out of both.
    pub(super) after: Option<Value>,
}

/// Notes a change together with the circumstances of the work under way.
pub(super) async fn record(
    conn: &mut AnyConnection,
    entry: Entry<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    insertion_of(entry, now).one_by_one(conn).await
}

/// Leaves the same for the end of the transaction.
pub(super) fn record_at_end(tx: &mut Tx, entry: Entry<'_>, now: Timestamp) {
    tx.end_with(insertion_of(entry, now));
}

fn insertion_of(entry: Entry<'_>, now: Timestamp) -> Batch {
    let Entry { action, subject_kind, subject_id, mut before, mut after } = entry;
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (&mut before, &mut after) {
        leave_out_equals(before, after);
    }
    insertion(action, (subject_kind, subject_id), (before, after), now)
}

fn leave_out_equals(before: &mut Map<String, Value>, after: &mut Map<String, Value>) {
    before.retain(|name, value| match after.get(name) {
        Some(now) if now == value => {
            after.remove(name);
            false
        }
        _ => true,
    });
}

fn insertion(
    action: &str,
    (subject_kind, subject_id): (&str, &str),
    (before, after): (Option<Value>, Option<Value>),
    now: Timestamp,
) -> Batch {
    let act = current_act().unwrap_or_else(|| Act::of(Origin::Start));
    Batch::new()
        .then(
            "INSERT INTO audit_log (at, origin, actor_id, address, request_id, action, subject_kind,
                subject_id, before_state, after_state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(now.as_millis())
        .bind(act.origin.as_str())
        .bind(act.actor.map(|actor| actor.to_string()))
        .bind(act.address.map(|address| address.to_string()))
        .bind(act.request_id)
        .bind(action)
        .bind(subject_kind)
        .bind(subject_id)
        .bind(before.map(|state| state.to_string()))
        .bind(after.map(|state| state.to_string()))
}

/// Takes what tells of a person out of the log; who did what, by id, stays.
pub(super) async fn forget(conn: &mut AnyConnection, user: UserId) -> Result<(), StoreError> {
    for statement in [FORGET_SUBJECT, FORGET_ACTOR] {
        sqlx::query(statement).bind(user.to_string()).execute(&mut *conn).await.db()?;
    }
    Ok(())
}

fn entry_of(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    let state = |column| match get::<Option<&str>>(row, column)? {
        Some(_) => json(row, column).map(Some),
        None => Ok(None),
    };
    Ok(AuditEntry {
        id: number(row, "id")?,
        at: time(row, "at")?,
        act: Act {
            origin: parsed(row, "origin")?,
            actor: optional(row, "actor_id")?,
            address: optional(row, "address")?,
            request_id: get(row, "request_id")?,
        },
        action: get(row, "action")?,
        subject: AuditSubject { kind: get(row, "subject_kind")?, id: get(row, "subject_id")? },
        before: state("before_state")?,
        after: state("after_state")?,
    })
}

fn push_filter(query: &mut QueryBuilder<Any>, filter: &AuditFilter) {
    query.push(" WHERE 1 = 1");
    if let Some(actor) = filter.actor {
        query.push(" AND actor_id = ").push_bind(actor.to_string());
    }
    if let Some(subject) = &filter.subject {
        query.push(" AND subject_id = ").push_bind(subject.clone());
    }
    if let Some(action) = &filter.action {
        query.push(" AND action = ").push_bind(action.clone());
    }
    if let Some(from) = filter.from {
        query.push(" AND at >= ").push_bind(from.as_millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND at < ").push_bind(to.as_millis());
    }
}

/// The statement that counts entries.
pub(super) fn count_query(filter: &AuditFilter) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new("SELECT COUNT(*) AS total FROM audit_log");
    push_filter(&mut query, filter);
    query
}

/// The statement of one page of entries.
pub(super) fn page_query(filter: &AuditFilter, page: PageRequest) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new("SELECT * FROM audit_log");
    push_filter(&mut query, filter);
    query.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(i64::from(page.size()));
    query.push(" OFFSET ").push_bind(offset(page));
    query
}

#[async_trait]
impl AuditLog for SqlStore {
    async fn entries(
        &self,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        self.snapshot(|mut tx| async move {
            let count = count_query(filter).build().fetch_one(&mut *tx).await.db()?;
            let rows = page_query(filter, page).build().fetch_all(&mut *tx).await.db()?;
            Ok(Page {
                items: rows.iter().map(entry_of).collect::<Result<_, _>>()?,
                total_items: number(&count, "total")?,
                request: page,
            })
        })
        .await
    }

    async fn note(
        &self,
        action: &'static str,
        subject: &AuditSubject,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|mut tx| async move {
            let AuditSubject { kind, id } = subject;
            tx.end_with(insertion(action, (kind, id), (None, None), now));
            Ok(())
        })
        .await
    }
}
