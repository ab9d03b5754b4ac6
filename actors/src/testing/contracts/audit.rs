//! Contract of the `audit` port, and of the housekeeping of what ports can make expire.

use serde_json::{Value, json};

use super::setup::{account, admin, at, key, new_package, open_subscription, package, page, user};
use crate::{
    domain::{ApplyTo, Role, Timestamp, User, UserId, UserStatus},
    ports::{
        Act, AuditEntry, AuditFilter, AuditSubject, Created, Expiry, NewAccount, Origin,
        PackageEdit, ProfileChange, StandingChange, Swept, acting,
    },
    testing::SqlPorts,
};

/// A request of somebody's.
fn request(actor: Option<UserId>) -> Act {
    Act {
        origin: Origin::Request,
        actor,
        address: "2001:db8::7".parse().ok(),
        request_id: Some("a-request".to_owned()),
    }
}

async fn entries(ports: &SqlPorts, filter: AuditFilter) -> Vec<AuditEntry> {
    ports.audit.entries(&filter, page(1, 100)).await.unwrap().items
}

/// The latest entry of an action.
async fn last(ports: &SqlPorts, action: &str) -> AuditEntry {
    let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
    entries(ports, filter).await.swap_remove(0)
}

async fn standing(ports: &SqlPorts, by: &User, of: UserId, status: UserStatus, now: Timestamp) {
    let change = StandingChange { status: Some(status), role: None };
    let work = ports.accounts.change_standing(of, change, now);
    acting(request(Some(by.id)), work).await.unwrap();
}

/// An entry says who did what to whom, when, from where, and what is different now.
pub async fn a_change_is_noted_with_its_circumstances(ports: &SqlPorts) {
    let root = admin(ports, "root").await;
    let ada = user(ports, "ada").await;
    standing(ports, &root, ada.id, UserStatus::Disabled, at(3)).await;
    let entry = last(ports, "account.disabled").await;
    assert_eq!((entry.at, entry.act), (at(3), request(Some(root.id))));
    assert_eq!(entry.subject, AuditSubject { kind: "user".into(), id: ada.id.to_string() });
    assert_eq!(entry.before, Some(json!({ "status": "active" })));
    assert_eq!(entry.after, Some(json!({ "status": "disabled" })));

    let change = ProfileChange {
        name: "Countess".parse().unwrap(),
        email: ada.email,
        verified_first: false,
    };
    ports.accounts.change_profile(ada.id, change, at(4)).await.unwrap();
    let entry = last(ports, "account.profile_changed").await;
    assert_eq!(entry.act, Act::of(Origin::Start), "nobody was named");
    assert_eq!(entry.before, Some(json!({ "name": "ada" })));
    assert_eq!(entry.after, Some(json!({ "name": "Countess" })));
}

/// What changes nothing, is refused or repeated is not noted.
pub async fn what_did_not_happen_is_not_noted(ports: &SqlPorts) {
    let root = admin(ports, "root").await;
    let ada = user(ports, "ada").await;
    let before = entries(ports, AuditFilter::default()).await.len();
    standing(ports, &root, ada.id, UserStatus::Active, at(1)).await;
    let demote = StandingChange { role: Some(Role::User), status: None };
    ports.accounts.change_standing(root.id, demote, at(1)).await.unwrap_err();
    ports.accounts.create(account("ada"), None).await.unwrap_err();
    assert_eq!(entries(ports, AuditFilter::default()).await.len(), before);
    let key = key("anonymous POST /auth/register", "k", "print");
    for _ in 0..2 {
        ports.accounts.create(account("bob"), Some(&key)).await.unwrap();
    }
    assert_eq!(entries(ports, AuditFilter::default()).await.len(), before + 1);
}

/// A list comes newest first, page by page, with its exact count.
pub async fn entries_come_newest_first(ports: &SqlPorts) {
    // Not in the order of their making; two at the same moment.
    for (name, seconds) in [("c", 3), ("a", 1), ("b", 2), ("d", 3)] {
        let account = NewAccount { now: at(seconds), ..account(name) };
        ports.accounts.create(account, None).await.unwrap();
    }
    let mut names = Vec::new();
    for number in 1..=3 {
        let all = AuditFilter::default();
        let found = ports.audit.entries(&all, page(number, 2)).await.unwrap();
        assert_eq!(found.total_items, 4);
        names.extend(found.items.into_iter().map(|entry| entry.after.unwrap()["name"].clone()));
    }
    assert_eq!(names, ["d", "c", "b", "a"].map(Value::from));
}

/// Filters join with each other; a time is within `from` and before `to`.
pub async fn filters_of_entries_join(ports: &SqlPorts) {
    let root = admin(ports, "root").await;
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    for (of, seconds) in [(&ada, 1), (&bob, 2)] {
        standing(ports, &root, of.id, UserStatus::Disabled, at(seconds)).await;
    }
    standing(ports, &root, ada.id, UserStatus::Active, at(3)).await;
    let times = |filter: AuditFilter| async move {
        entries(ports, filter).await.iter().map(|entry| entry.at).collect::<Vec<_>>()
    };
    let of_root = AuditFilter { actor: Some(root.id), ..AuditFilter::default() };
    assert_eq!(times(of_root.clone()).await, [at(3), at(2), at(1)]);
    let of_ada = AuditFilter { subject: Some(ada.id.to_string()), ..of_root.clone() };
    assert_eq!(times(of_ada.clone()).await, [at(3), at(1)]);
    let disabled = AuditFilter { action: Some("account.disabled".into()), ..of_root.clone() };
    assert_eq!(times(disabled.clone()).await, [at(2), at(1)]);
    let one = AuditFilter { subject: of_ada.subject, ..disabled };
    assert_eq!(times(one).await, [at(1)]);
    let ranged = AuditFilter { from: Some(at(1)), to: Some(at(3)), ..of_root.clone() };
    assert_eq!(times(ranged).await, [at(2), at(1)]);
    let nobody = AuditFilter { actor: Some(UserId::generate()), ..of_root };
    assert_eq!(times(nobody).await, []);
}

/// What becomes of packages is noted, whoever does it.
pub async fn changes_of_packages_are_noted(ports: &SqlPorts) {
    let made = package(ports, "Evenings", &[18, 35]).await;
    let edit = PackageEdit {
        expected_version: 1,
        name: "Nights".parse().unwrap(),
        genres: made.genres.clone(),
        apply_to: ApplyTo::New,
        now: at(1),
    };
    ports.packages.edit(made.id, edit).await.unwrap();
    for seconds in [2, 3] {
        ports.packages.archive(made.id, at(seconds)).await.unwrap();
    }
    let filter = AuditFilter { subject: Some(made.id.to_string()), ..AuditFilter::default() };
    let found = entries(ports, filter).await;
    let actions: Vec<_> = found.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["package.archived", "package.edited", "package.created"]);
    assert!(found.iter().all(|entry| entry.subject.kind == "package"));
    assert_eq!(found[0].before, Some(json!({ "archivedAt": null })));
    assert_eq!(found[1].before, Some(json!({ "name": "Evenings", "version": 1 })));
    assert_eq!(found[1].after, Some(json!({ "name": "Nights", "version": 2 })));
    assert_eq!(found[2].after.as_ref().unwrap()["genres"], json!([18, 35]));
}

/// Subscriptions that somebody else makes or cancels are noted; one's own are not.
pub async fn what_is_done_for_others_is_noted(ports: &SqlPorts) {
    let root = admin(ports, "root").await;
    let ada = user(ports, "ada").await;
    for (actor, noted) in [(ada.id, 0), (root.id, 2)] {
        let package = package(ports, &format!("Package for {actor}"), &[18]).await;
        let new = open_subscription(ada.id, package.id);
        let made = ports.subscriptions.subscribe(new, None);
        let made = acting(request(Some(actor)), made).await.unwrap().into_inner();
        // The second time changes nothing.
        for seconds in [1, 2] {
            let cancelled = ports.subscriptions.cancel(made.id, at(1), at(seconds));
            acting(request(Some(actor)), cancelled).await.unwrap();
        }
        let filter = AuditFilter { actor: Some(actor), ..AuditFilter::default() };
        let found = entries(ports, filter).await;
        assert_eq!(found.len(), noted);
        for entry in found {
            assert_eq!(entry.subject.id, ada.id.to_string());
            assert_eq!(entry.after.unwrap()["subscription"], json!(made.id));
        }
    }
}

/// What has no change in this store is noted by itself.
pub async fn what_is_done_elsewhere_can_be_noted(ports: &SqlPorts) {
    let subject = AuditSubject { kind: "movie".into(), id: "550".into() };
    let actor = Some(UserId::generate());
    let noted = ports.audit.note("cache.cleared", &subject, at(1));
    acting(request(actor), noted).await.unwrap();
    let entry = last(ports, "cache.cleared").await;
    assert_eq!((entry.act, entry.subject), (request(actor), subject));
    assert_eq!((entry.before, entry.after), (None, None));
}

/// A deletion leaves who did what, by id, and nothing that tells of the person.
pub async fn a_deletion_blanks_entries_about_the_person(ports: &SqlPorts) {
    let root = admin(ports, "root").await;
    let ada = ports.accounts.create(account("ada"), None);
    let ada = acting(request(None), ada).await.unwrap().into_inner();
    let made = ports.packages.create(new_package("Ada's", &[18]), None);
    acting(request(Some(ada.id)), made).await.unwrap();
    standing(ports, &root, ada.id, UserStatus::Disabled, at(1)).await;
    acting(request(Some(root.id)), ports.accounts.delete(ada.id, at(2))).await.unwrap();

    let created = last(ports, "package.created").await;
    assert_eq!((created.act.actor, created.act.address), (Some(ada.id), None));
    assert!(created.after.is_some(), "a package tells of nobody");
    let filter = AuditFilter { subject: Some(ada.id.to_string()), ..AuditFilter::default() };
    let about = entries(ports, filter).await;
    let actions: Vec<_> = about.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["account.deleted", "account.disabled", "account.created"]);
    for entry in about {
        assert_eq!((&entry.before, &entry.after), (&None, &None), "{entry:?}");
        // Where the admin was is not Ada's; where the account was made is.
        assert_eq!(entry.act.address.is_some(), entry.act.actor == Some(root.id), "{entry:?}");
    }
    let filter = AuditFilter { subject: Some(root.id.to_string()), ..AuditFilter::default() };
    assert!(entries(ports, filter).await[0].after.is_some(), "others' entries stay whole");
}

/// Entries that are too old go, in batches; nothing else does.
pub async fn entries_go_when_they_are_too_old(ports: &SqlPorts) {
    let subject = AuditSubject { kind: "movie".into(), id: "550".into() };
    for seconds in 0..1_100 {
        ports.audit.note("cache.cleared", &subject, at(seconds)).await.unwrap();
    }
    let expiry = Expiry { now: at(5_000), audit_before: at(999), mails_before: at(0) };
    let mut batches = Vec::new();
    while let swept @ Swept { audit_entries: 1.., .. } =
        ports.housekeeping.sweep(expiry).await.unwrap()
    {
        assert_eq!(swept.total(), swept.audit_entries);
        batches.push(swept.audit_entries);
    }
    assert_eq!(batches, [500, 500]);
    let left = ports.audit.entries(&AuditFilter::default(), page(1, 100)).await.unwrap();
    assert_eq!((left.total_items, left.items[99].at), (100, at(1_000)));
}

/// Idempotency keys of 24 h and more go; what was asked with them is asked anew from then on anyway.
pub async fn old_keys_go(ports: &SqlPorts) {
    let register = |name: &str, seconds| {
        let account = NewAccount { now: at(seconds), ..account(name) };
        let key = key("anonymous POST /auth/register", name, "print");
        async move { ports.accounts.create(account, Some(&key)).await.unwrap() }
    };
    for (name, seconds) in [("ada", 0), ("bob", 100), ("eve", 100)] {
        register(name, seconds).await;
    }
    let swept = |seconds| async move {
        let expiry = Expiry { now: at(seconds), audit_before: at(-1), mails_before: at(-1) };
        ports.housekeeping.sweep(expiry).await.unwrap().idempotency_keys
    };
    let day = 24 * 60 * 60;
    assert_eq!(swept(day - 1).await, 0);
    assert_eq!(swept(day).await, 1);
    assert!(matches!(register("bob", day).await, Created::Before(_)));
    assert_eq!(swept(day + 100).await, 2);
    assert_eq!(swept(day + 100).await, 0);
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! audit_contract {
    ($make:path) => {
        $crate::contract_cases!(
            audit,
            $make,
            [
                a_change_is_noted_with_its_circumstances,
                what_did_not_happen_is_not_noted,
                entries_come_newest_first,
                filters_of_entries_join,
                changes_of_packages_are_noted,
                what_is_done_for_others_is_noted,
                what_is_done_elsewhere_can_be_noted,
                a_deletion_blanks_entries_about_the_person,
                entries_go_when_they_are_too_old,
                old_keys_go,
            ]
        );
    };
}
