//! The statements of the audit log, and of deleting what has expired.

use watchme_actors::{
    domain::{PageRequest, Timestamp, UserId},
    ports::AuditFilter,
};

use super::mysql::{
    Bind::{self, Number, Text},
    Hot, built, hot, reading_all, user, user_text,
};
use crate::adapters::sql::{audit, housekeeping};

const PAGE: [Bind; 2] = [Number(20), Number(0)];

pub(super) fn filters(user: UserId) -> [(&'static str, AuditFilter, Vec<Bind>); 4] {
    let all = AuditFilter::default;
    let id = Text(user.to_string());
    [
        ("of an actor", AuditFilter { actor: Some(user), ..all() }, vec![id.clone()]),
        ("of a subject", AuditFilter { subject: Some(user.to_string()), ..all() }, vec![id]),
        (
            "of an action",
            AuditFilter { action: Some("account.deleted".to_owned()), ..all() },
            vec![Text("account.deleted".to_owned())],
        ),
        (
            "of a time",
            AuditFilter {
                from: Some(Timestamp::from_millis(50_000)),
                to: Some(Timestamp::from_millis(51_000)),
                ..all()
            },
            vec![Number(50_000), Number(51_000)],
        ),
    ]
}

/// Read from the newest on, up to the end of the page; only the count of all reads all.
pub(super) fn of_audit() -> Vec<Hot> {
    let first = PageRequest::default();
    let mut statements = vec![
        reading_all(hot("log", built(audit::page_query(&AuditFilter::default(), first)), &PAGE)),
        reading_all(hot("count log", built(audit::count_query(&AuditFilter::default())), &[])),
        hot("forget a subject", audit::FORGET_SUBJECT, &[user_text()]),
        hot("forget an actor", audit::FORGET_ACTOR, &[user_text()]),
    ];
    for (name, filter, binds) in filters(user()) {
        let paged = [binds.as_slice(), &PAGE].concat();
        statements.push(hot(name, built(audit::page_query(&filter, first)), &paged));
        statements.push(hot(name, built(audit::count_query(&filter)), &binds));
    }
    statements
}

pub(super) fn of_housekeeping() -> Vec<Hot> {
    [
        ("audit entries", housekeeping::AUDIT_ENTRIES),
        ("throttles", housekeeping::THROTTLES),
        ("mail tokens", housekeeping::MAIL_TOKENS),
        ("sessions", housekeeping::SESSIONS),
        ("mails", housekeeping::MAILS),
        ("idempotency keys", housekeeping::IDEMPOTENCY_KEYS),
    ]
    .into_iter()
    .flat_map(|(name, kind)| {
        [
            hot(name, kind.batch, &[Number(1_000), Number(500)]),
            hot(name, kind.delete, &[Number(1_000)]),
        ]
    })
    .collect()
}
