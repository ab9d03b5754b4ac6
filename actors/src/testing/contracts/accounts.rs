//! Contract of the `accounts` port.

use futures_util::future::join_all;

use super::setup::{
    account, admin, at, created_now, events, key, new_package, open_subscription, page, request,
    subscribe, user, viewer,
};
use crate::{
    domain::{Role, UserId, UserStatus, WatchChange},
    ports::{
        AccountError, Created, NewAccount, NewPackage, ProfileChange, StandingChange, UserFilter,
    },
    testing::SqlPorts,
};

/// An account that was made is found by id and by address, with its hash.
pub async fn an_account_is_found_again(ports: &SqlPorts) {
    let made = match ports.accounts.create(account("ada"), None).await.unwrap() {
        Created::Now(user) => user,
        Created::Before(_) => panic!("it was made just now"),
    };
    assert_eq!((made.role, made.status), (Role::User, UserStatus::Active));
    assert_eq!((made.created_at, made.updated_at), (at(0), at(0)));
    assert_eq!(ports.accounts.user(made.id).await.unwrap(), Some(made.clone()));

    let login = "ADA@Example.com".parse().unwrap();
    let credentials = ports.accounts.credentials(&login).await.unwrap().unwrap();
    assert_eq!(credentials.user, made);
    assert_eq!(credentials.password_hash, "hash of ada");

    assert_eq!(ports.accounts.user(UserId::generate()).await.unwrap(), None);
    let stranger = "bob@example.com".parse().unwrap();
    assert!(ports.accounts.credentials(&stranger).await.unwrap().is_none());
}

/// No two accounts have one address, whatever its case.
pub async fn an_address_belongs_to_one_account(ports: &SqlPorts) {
    user(ports, "ada").await;
    let bob = user(ports, "bob").await;
    let again = ports.accounts.create(account("ADA"), None).await;
    assert!(matches!(again, Err(AccountError::EmailTaken)));
    let change = ProfileChange {
        name: bob.name.clone(),
        email: "Ada@example.com".parse().unwrap(),
        verified_first: false,
    };
    let changed = ports.accounts.change_profile(bob.id, change, at(1)).await;
    assert!(matches!(changed, Err(AccountError::EmailTaken)));
    assert_eq!(ports.accounts.user(bob.id).await.unwrap(), Some(bob));
}

/// The first admin is made once, and never on top of somebody else's account.
pub async fn the_first_admin_is_made_once(ports: &SqlPorts) {
    let first = |name: &str| NewAccount { role: Role::Admin, ..account(name) };
    user(ports, "ada").await;
    assert!(!ports.accounts.has_admin().await.unwrap());
    let taken = ports.accounts.create_first_admin(first("ada")).await;
    assert!(matches!(taken, Err(AccountError::EmailTaken)));

    let made = join_all((0..4).map(|n| {
        let account = first(&format!("root{n}"));
        ports.accounts.create_first_admin(account)
    }))
    .await;
    let made: Vec<_> = made.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].role, Role::Admin);
    assert!(ports.accounts.has_admin().await.unwrap());
    assert_eq!(ports.accounts.create_first_admin(first("late")).await.unwrap(), None);
}

/// Another hash of the same password is stored only beside the one that it was made of.
pub async fn a_hash_is_replaced_unless_it_changed_meanwhile(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let hash =
        || async { ports.accounts.credentials(&ada.email).await.unwrap().unwrap().password_hash };
    assert!(ports.accounts.rehash(ada.id, "hash of ada", "a newer hash").await.unwrap());
    assert_eq!(hash().await, "a newer hash");
    assert!(!ports.accounts.rehash(ada.id, "hash of ada", "an older hash").await.unwrap());
    assert_eq!(hash().await, "a newer hash");
    assert!(!ports.accounts.rehash(UserId::generate(), "a newer hash", "x").await.unwrap());
    assert_eq!(ports.accounts.user(ada.id).await.unwrap(), Some(ada));
}

/// A list comes in the order of making, page by page, with its exact count.
pub async fn a_list_is_paged_in_order_of_making(ports: &SqlPorts) {
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(user(ports, &format!("user{n}")).await);
    }
    let all = UserFilter::default();
    let first = ports.accounts.users(&all, page(1, 2)).await.unwrap();
    assert_eq!((first.items.as_slice(), first.total_items), (&made[..2], 5));
    let middle = ports.accounts.users(&all, page(2, 2)).await.unwrap();
    assert_eq!((middle.items.as_slice(), middle.total_items), (&made[2..4], 5));
    let last = ports.accounts.users(&all, page(3, 2)).await.unwrap();
    assert_eq!((last.items.as_slice(), last.total_items), (&made[4..], 5));
    let beyond = ports.accounts.users(&all, page(u32::MAX, 100)).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.total_items), (0, 5));
}

/// Text filters find what contains the text, letter for letter but for case.
pub async fn text_filters_are_literal(ports: &SqlPorts) {
    for (address, name) in
        [("a_b", "100% Élan"), ("axb", "100 Elan"), ("c%d", "snake_case!"), ("cxd", "snakeXcase")]
    {
        let account = NewAccount { name: name.parse().unwrap(), ..account(address) };
        ports.accounts.create(account, None).await.unwrap();
    }
    let names = |filter: UserFilter| async move {
        let found = ports.accounts.users(&filter, page(1, 10)).await.unwrap();
        assert_eq!(found.total_items, found.items.len() as u64);
        found.items.iter().map(|user| user.name.to_string()).collect::<Vec<_>>()
    };
    let name = |text: &str| UserFilter { name: Some(text.into()), ..UserFilter::default() };
    let email = |text: &str| UserFilter { email: Some(text.into()), ..UserFilter::default() };
    assert_eq!(names(name("0%")).await, ["100% Élan"]);
    assert_eq!(names(name("éLAN")).await, ["100% Élan"]);
    assert_eq!(names(name("E_C")).await, ["snake_case!"]);
    assert_eq!(names(name("!")).await, ["snake_case!"]);
    assert_eq!(names(name("%")).await, ["100% Élan"]);
    assert_eq!(names(email("A_B")).await, ["100% Élan"]);
    assert_eq!(names(email("c%")).await, ["snake_case!"]);
    assert_eq!(names(email("@example.com")).await.len(), 4);
    assert_eq!(names(name("\\")).await.len(), 0);
    let both = UserFilter { email: Some("b@".into()), ..name("élan") };
    assert_eq!(names(both).await, ["100% Élan"]);
}

/// Filters of role and status join with each other.
pub async fn filters_of_standing_join(ports: &SqlPorts) {
    let root = admin(ports, "root").await;
    let second = admin(ports, "second").await;
    let ada = user(ports, "ada").await;
    let disabled = StandingChange { status: Some(UserStatus::Disabled), role: None };
    for id in [second.id, ada.id] {
        ports.accounts.change_standing(id, disabled.clone(), at(1)).await.unwrap();
    }
    let ids = |role, status| async move {
        let filter = UserFilter { role, status, ..UserFilter::default() };
        let found = ports.accounts.users(&filter, page(1, 10)).await.unwrap();
        found.items.iter().map(|user| user.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some(Role::Admin), None).await, [root.id, second.id]);
    assert_eq!(ids(Some(Role::Admin), Some(UserStatus::Active)).await, [root.id]);
    assert_eq!(ids(None, Some(UserStatus::Disabled)).await, [second.id, ada.id]);
}

/// A profile is changed with its time; what does not change it leaves the time alone.
pub async fn a_profile_is_changed(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let change = ProfileChange {
        name: "Countess".parse().unwrap(),
        email: "lovelace@example.com".parse().unwrap(),
        verified_first: false,
    };
    let changed = ports.accounts.change_profile(ada.id, change.clone(), at(5)).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.updated_at), ("Countess", at(5)));
    assert_eq!(changed.created_at, at(0));
    let same = ports.accounts.change_profile(ada.id, change.clone(), at(9)).await.unwrap();
    assert_eq!(same, changed);
    assert_eq!(ports.accounts.user(ada.id).await.unwrap(), Some(changed));

    let filter = UserFilter { name: Some("COUNT".into()), ..UserFilter::default() };
    assert_eq!(ports.accounts.users(&filter, page(1, 10)).await.unwrap().total_items, 1);
    user(ports, "ada").await;
    let missing = ports.accounts.change_profile(UserId::generate(), change, at(5)).await;
    assert!(matches!(missing, Err(AccountError::NotFound)));
}

/// The last admin who can sign in stays one; a disabled admin does not count.
pub async fn the_last_admin_stays(ports: &SqlPorts) {
    let demote = StandingChange { role: Some(Role::User), status: None };
    let disable = StandingChange { role: None, status: Some(UserStatus::Disabled) };
    let root = admin(ports, "root").await;
    for change in [demote.clone(), disable.clone()] {
        let refused = ports.accounts.change_standing(root.id, change, at(1)).await;
        assert!(matches!(refused, Err(AccountError::LastAdmin)));
    }
    let deleted = ports.accounts.delete(root.id, at(1)).await;
    assert!(matches!(deleted, Err(AccountError::LastAdmin)));
    assert_eq!(ports.accounts.user(root.id).await.unwrap(), Some(root.clone()));

    let second = admin(ports, "second").await;
    ports.accounts.change_standing(second.id, disable, at(2)).await.unwrap();
    let refused = ports.accounts.change_standing(root.id, demote.clone(), at(3)).await;
    assert!(matches!(refused, Err(AccountError::LastAdmin)));
    ports.accounts.delete(second.id, at(4)).await.unwrap();

    let promote = StandingChange { role: Some(Role::Admin), status: None };
    let ada = user(ports, "ada").await;
    let promoted = ports.accounts.change_standing(ada.id, promote, at(5)).await.unwrap();
    assert_eq!((promoted.role, promoted.updated_at), (Role::Admin, at(5)));
    let demoted = ports.accounts.change_standing(root.id, demote.clone(), at(6)).await.unwrap();
    assert_eq!(demoted.role, Role::User);
    let missing = ports.accounts.change_standing(UserId::generate(), demote, at(6)).await;
    assert!(matches!(missing, Err(AccountError::NotFound)));
}

/// Admins who leave at the same moment leave one behind.
pub async fn admins_who_leave_at_once_leave_one(ports: &SqlPorts) {
    let mut admins = Vec::new();
    for n in 0..6 {
        admins.push(admin(ports, &format!("admin{n}")).await.id);
    }
    let left = join_all(admins.iter().enumerate().map(|(n, id)| async move {
        if n % 2 == 0 {
            ports.accounts.delete(*id, at(1)).await
        } else {
            let demote = StandingChange { role: Some(Role::User), status: None };
            ports.accounts.change_standing(*id, demote, at(1)).await.map(|_| ())
        }
    }))
    .await;
    let refused = left.iter().filter(|r| matches!(r, Err(AccountError::LastAdmin))).count();
    assert_eq!((left.iter().filter(|r| r.is_ok()).count(), refused), (5, 1));
}

/// A deletion takes everything of the user, and only that; the user's last event says so.
pub async fn a_deletion_takes_everything(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let bob = viewer(ports, "bob").await;
    let made = NewPackage { created_by: Some(ada), ..new_package("Ada's choice", &[18]) };
    let made = ports.packages.create(made, None).await.unwrap().into_inner();
    let held = subscribe(ports, ada, made.id).await;
    let kept = subscribe(ports, bob, made.id).await;
    for (user, movie) in [(ada, 1), (ada, 2), (bob, 1)] {
        ports.watch_log.mark(request(user, movie, 1)).await.unwrap();
    }

    ports.accounts.delete(ada, at(9)).await.unwrap();

    assert_eq!(ports.accounts.user(ada).await.unwrap(), None);
    assert_eq!(ports.subscriptions.subscription(held.id).await.unwrap(), None);
    assert!(ports.subscriptions.holdings(ada, at(9)).await.unwrap().is_empty());
    assert_eq!(ports.watch_log.history(ada).await.unwrap(), None);
    assert!(ports.watch_log.watched_movies(ada).await.unwrap().is_empty());
    assert!(ports.watch_log.sequences(&[ada]).await.unwrap().is_empty());
    let package = ports.packages.package(made.id).await.unwrap().unwrap();
    assert_eq!((package.created_by, package.archived_at), (None, None));

    let events = events(ports).await;
    let of_ada: Vec<_> = events.iter().filter(|event| event.user_id == ada).collect();
    assert_eq!(of_ada.len(), 1, "what was not published is gone, the last event is there");
    assert_eq!((of_ada[0].seq, of_ada[0].at), (3, at(9)));
    assert_eq!(of_ada[0].change, WatchChange::Erased);

    assert!(events.iter().any(|event| event.user_id == bob));
    assert_eq!(ports.watch_log.watched_movies(bob).await.unwrap().len(), 1);
    assert!(ports.subscriptions.subscription(kept.id).await.unwrap().is_some());
    let again = ports.accounts.delete(ada, at(10)).await;
    assert!(matches!(again, Err(AccountError::NotFound)));
    assert_ne!(user(ports, "ada").await.id, ada, "the address is free");
}

/// A deletion signals whoever waits for events.
pub async fn a_deletion_signals_its_event(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let committed = ports.outbox.committed();
    let waiting = committed.notified();
    ports.accounts.delete(ada.id, at(1)).await.unwrap();
    waiting.await;
    assert_eq!(events(ports).await[0].seq, 1);
}

/// A deletion takes the user's idempotency keys: those of the user's own requests, and stored
/// answers about the user that others asked for.
pub async fn a_deletion_takes_idempotency_keys(ports: &SqlPorts) {
    let registered = key("anonymous POST /auth/register", "k", "print");
    let ada = ports.accounts.create(account("ada"), Some(&registered)).await.unwrap().into_inner();
    let own = key(&format!("{} POST /packages", ada.id), "k", "print");
    let first = new_package("First", &[18]);
    let first = ports.packages.create(first, Some(&own)).await.unwrap().into_inner();
    let by_admin = key("admin POST /users/subscriptions", "k", "print");
    let held = open_subscription(ada.id, first.id);
    ports.subscriptions.subscribe(held, Some(&by_admin)).await.unwrap();

    ports.accounts.delete(ada.id, at(1)).await.unwrap();

    let again = ports.accounts.create(account("ada"), Some(&registered)).await.unwrap();
    assert!(matches!(again, Created::Now(_)));
    let second = ports.packages.create(new_package("Second", &[18]), Some(&own)).await.unwrap();
    assert!(matches!(second, Created::Now(_)));
    let held = open_subscription(again.into_inner().id, first.id);
    let held = ports.subscriptions.subscribe(held, Some(&by_admin)).await.unwrap();
    assert!(matches!(held, Created::Now(_)));
}

/// A repeated request gets the first one's answer as it was then; a key is bound to its scope and
/// to what was asked, and kept for 24 h.
pub async fn a_repeated_creation_is_answered_again(ports: &SqlPorts) {
    let register = key("anonymous POST /auth/register", "k", "print");
    let first = ports.accounts.create(account("ada"), Some(&register)).await.unwrap().into_inner();
    let change = ProfileChange {
        name: "Other".parse().unwrap(),
        email: first.email.clone(),
        verified_first: false,
    };
    ports.accounts.change_profile(first.id, change, at(1)).await.unwrap();

    let again = ports.accounts.create(account("ada"), Some(&register)).await.unwrap();
    assert_eq!(again, Created::Before(first));
    let other = key(&register.scope, "k", "other print");
    let refused = ports.accounts.create(account("bob"), Some(&other)).await;
    assert!(matches!(refused, Err(AccountError::KeyReused)));
    let elsewhere = key("anonymous POST /elsewhere", "k", "other print");
    let bob = ports.accounts.create(account("bob"), Some(&elsewhere)).await.unwrap();
    assert!(matches!(bob, Created::Now(_)));

    let day = 24 * 60 * 60;
    let late = |seconds| NewAccount { now: at(seconds), ..account("eve") };
    let kept = ports.accounts.create(late(day - 1), Some(&other)).await;
    assert!(matches!(kept, Err(AccountError::KeyReused)));
    let expired = ports.accounts.create(late(day), Some(&other)).await.unwrap();
    assert!(matches!(expired, Created::Now(_)));
}

/// A request that is refused does not use its key up.
pub async fn a_refused_creation_keeps_no_key(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let register = key("anonymous POST /auth/register", "k", "print");
    let refused = ports.accounts.create(account("ada"), Some(&register)).await;
    assert!(matches!(refused, Err(AccountError::EmailTaken)));
    ports.accounts.delete(ada.id, at(1)).await.unwrap();
    let made = ports.accounts.create(account("ada"), Some(&register)).await.unwrap();
    assert!(matches!(made, Created::Now(_)));
}

/// Duplicates that come at the same time have one effect and one answer.
pub async fn creations_at_once_with_one_key_make_one(ports: &SqlPorts) {
    let register = key("anonymous POST /auth/register", "k", "print");
    let answers =
        join_all((0..8).map(|_| ports.accounts.create(account("ada"), Some(&register)))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(created_now(&answers), 1);
    let users: Vec<_> = answers.into_iter().map(Created::into_inner).collect();
    assert!(users.iter().all(|user| *user == users[0]));
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! accounts_contract {
    ($make:path) => {
        $crate::contract_cases!(
            accounts,
            $make,
            [
                an_account_is_found_again,
                an_address_belongs_to_one_account,
                the_first_admin_is_made_once,
                a_hash_is_replaced_unless_it_changed_meanwhile,
                a_list_is_paged_in_order_of_making,
                text_filters_are_literal,
                filters_of_standing_join,
                a_profile_is_changed,
                the_last_admin_stays,
                admins_who_leave_at_once_leave_one,
                a_deletion_takes_everything,
                a_deletion_signals_its_event,
                a_deletion_takes_idempotency_keys,
                a_repeated_creation_is_answered_again,
                a_refused_creation_keeps_no_key,
                creations_at_once_with_one_key_make_one,
            ]
        );
    };
}
