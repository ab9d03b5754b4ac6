//! Contract of the `sessions` port.

use std::time::Duration;

use futures_util::future::join_all;

use super::setup::{account, at, page, user};
use crate::{
    domain::{Role, SessionId, Timestamp, User, UserId, UserStatus},
    ports::{
        AccountError, BeginError, MAX_SESSIONS, NewAccount, NewSession, PasswordChange, Rotated,
        Rotation, Standing, StandingChange,
    },
    testing::SqlPorts,
};

const IDLE: Duration = Duration::from_secs(1_000);
const LIFETIME: Duration = Duration::from_secs(3_000);
const GRACE: Duration = Duration::from_secs(10);

/// A session of an account that [`user`] has made, with the first token `<name>-1`.
fn session(user: &User, name: &str, now: Timestamp) -> NewSession {
    NewSession {
        id: SessionId::generate(),
        user: user.id,
        password_hash: format!("hash of {}", user.name),
        token_hash: hash(&format!("{name}-1")),
        user_agent: Some("Test/1.0 🎬".to_owned()),
        address: "2001:db8::7".parse().ok(),
        now,
        idle: IDLE,
        lifetime: LIFETIME,
    }
}

/// As long as a real one.
fn hash(token: &str) -> String {
    format!("{token:0>64}")
}

async fn begin(ports: &SqlPorts, user: &User, name: &str, seconds: i64) -> SessionId {
    let new = session(user, name, at(seconds));
    let id = new.id;
    ports.sessions.begin(new).await.unwrap();
    id
}

/// A token of ours for the next one.
fn exchange(session: SessionId, presented: &str, child: &str, seconds: i64) -> Rotation {
    Rotation {
        session,
        presented: hash(presented),
        child: hash(child),
        sealed_child: format!("sealed {child}"),
        now: at(seconds),
        idle: IDLE,
        grace: GRACE,
    }
}

async fn rotate(ports: &SqlPorts, rotation: Rotation) -> Rotated {
    ports.sessions.rotate(rotation).await.unwrap()
}

async fn lives(ports: &SqlPorts, user: &User, session: SessionId, seconds: i64) -> bool {
    let standing = ports.sessions.standing(user.id, session, at(seconds)).await.unwrap();
    standing.is_some_and(|standing| standing.session_lives)
}

async fn listed(ports: &SqlPorts, user: &User, seconds: i64) -> Vec<SessionId> {
    let page = ports.sessions.sessions(user.id, page(1, 100), at(seconds)).await.unwrap();
    assert_eq!(page.total_items, page.items.len() as u64);
    page.items.iter().map(|session| session.id).collect()
}

/// A session says what was noted at its beginning, and a list has the newest first.
pub async fn a_session_is_found_in_its_users_list(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let mut begun = Vec::new();
    for (n, seconds) in [1, 2, 3].into_iter().enumerate() {
        begun.insert(0, begin(ports, &ada, &format!("ada{n}"), seconds).await);
    }
    begin(ports, &bob, "bob", 1).await;
    assert_eq!(listed(ports, &ada, 4).await, begun);
    let second = ports.sessions.sessions(ada.id, page(2, 2), at(4)).await.unwrap();
    assert_eq!((second.items.len(), second.total_items), (1, 3));
    let oldest = &second.items[0];
    assert_eq!((oldest.id, oldest.user_id), (begun[2], ada.id));
    assert_eq!((oldest.created_at, oldest.used_at), (at(1), at(1)));
    assert_eq!(oldest.expires_at, at(1).after(IDLE));
    assert_eq!(oldest.user_agent.as_deref(), Some("Test/1.0 🎬"));
    assert_eq!(oldest.address, "2001:db8::7".parse().ok());
    let bare = NewSession { user_agent: None, address: None, ..session(&ada, "bare", at(5)) };
    ports.sessions.begin(bare).await.unwrap();
    let newest = ports.sessions.sessions(ada.id, page(1, 1), at(5)).await.unwrap();
    assert_eq!((&newest.items[0].user_agent, newest.items[0].address), (&None, None));
}

/// Nobody is let in by what was true when the password was checked and is not any more.
pub async fn a_session_begins_on_an_account_as_it_was_checked(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let old = NewSession { password_hash: "another".into(), ..session(&ada, "ada", at(1)) };
    let refused = ports.sessions.begin(old).await;
    assert!(matches!(refused, Err(BeginError::Changed)), "{refused:?}");
    let nobody = NewSession { user: UserId::generate(), ..session(&ada, "ada", at(1)) };
    let refused = ports.sessions.begin(nobody).await;
    assert!(matches!(refused, Err(BeginError::Changed)), "{refused:?}");
    let disable = StandingChange { role: None, status: Some(UserStatus::Disabled) };
    ports.accounts.change_standing(ada.id, disable, at(1)).await.unwrap();
    let refused = ports.sessions.begin(session(&ada, "ada", at(1))).await;
    assert!(matches!(refused, Err(BeginError::Disabled)), "{refused:?}");
    assert_eq!(listed(ports, &ada, 1).await, []);
}

/// Beyond the most that a user may have, the one that was idle longest ends.
pub async fn of_too_many_the_longest_idle_ends(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let bobs = begin(ports, &bob, "bob", 0).await;
    let mut begun = Vec::new();
    for n in 0..MAX_SESSIONS {
        begun.push(begin(ports, &ada, &format!("a{n}"), n as i64).await);
    }
    rotate(ports, exchange(begun[0], "a0-1", "a0-2", 200)).await;
    let one_more = begin(ports, &ada, "more", 201).await;
    let left = listed(ports, &ada, 202).await;
    assert_eq!(left.len(), MAX_SESSIONS);
    assert!(left.contains(&one_more) && left.contains(&begun[0]));
    assert!(!left.contains(&begun[1]), "the first was used after it");
    assert_eq!(listed(ports, &bob, 202).await, [bobs]);
}

/// A token is good for one exchange, which prolongs the session.
pub async fn a_token_is_exchanged_for_the_next(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let id = begin(ports, &ada, "t", 0).await;
    let advanced = Rotated::Advanced { user: ada.id };
    assert_eq!(rotate(ports, exchange(id, "t-1", "t-2", 100)).await, advanced);
    let found = ports.sessions.sessions(ada.id, page(1, 1), at(100)).await.unwrap().items;
    assert_eq!((found[0].created_at, found[0].used_at), (at(0), at(100)));
    assert_eq!(found[0].expires_at, at(100).after(IDLE));
    assert_eq!(rotate(ports, exchange(id, "t-2", "t-3", 200)).await, advanced);
    assert!(lives(ports, &ada, id, 201).await);
}

/// Whoever lost an answer gets it again for a moment, and nothing changes by it.
pub async fn a_lost_answer_is_given_again_for_a_moment(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let id = begin(ports, &ada, "t", 0).await;
    rotate(ports, exchange(id, "t-1", "t-2", 100)).await;
    let repeated = Rotated::Repeated { user: ada.id, sealed_child: "sealed t-2".to_owned() };
    for seconds in [100, 105, 109] {
        let again = rotate(ports, exchange(id, "t-1", "other", seconds)).await;
        assert_eq!(again, repeated, "{seconds}");
    }
    let found = ports.sessions.sessions(ada.id, page(1, 1), at(109)).await.unwrap().items;
    assert_eq!(found[0].used_at, at(100));
    let next = rotate(ports, exchange(id, "t-2", "t-3", 110)).await;
    assert_eq!(next, Rotated::Advanced { user: ada.id });
}

/// A token that comes again later was stolen, or its successor was: the session ends.
pub async fn a_token_that_comes_again_ends_its_session(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let reused = Rotated::Reused { user: ada.id };
    // The one before, too late.
    let id = begin(ports, &ada, "t", 0).await;
    rotate(ports, exchange(id, "t-1", "t-2", 100)).await;
    assert_eq!(rotate(ports, exchange(id, "t-1", "t-3", 110)).await, reused);
    assert!(!lives(ports, &ada, id, 110).await);
    let next = rotate(ports, exchange(id, "t-2", "t-4", 111)).await;
    assert_eq!(next, Rotated::Refused, "the one that counted does so no longer");
    // The one before that, within the moment.
    let id = begin(ports, &ada, "t", 0).await;
    rotate(ports, exchange(id, "t-1", "t-2", 100)).await;
    rotate(ports, exchange(id, "t-2", "t-3", 101)).await;
    assert_eq!(rotate(ports, exchange(id, "t-1", "t-4", 102)).await, reused);
    assert_eq!(listed(ports, &ada, 102).await, []);
}

/// A user is told of ended sessions once an hour, at an address that is known to be theirs.
pub async fn a_stolen_session_is_told_once_an_hour(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let unverified = NewAccount { email_verified: false, ..account("eve") };
    let eve = ports.accounts.create(unverified, None).await.unwrap().into_inner();
    for (user, seconds, told) in
        [(&ada, 0, 1), (&ada, 3_500, 1), (&eve, 3_500, 1), (&ada, 3_700, 2), (&ada, 7_200, 2)]
    {
        let name = format!("t{seconds}");
        let id = begin(ports, user, &name, seconds).await;
        let of = |number: u8| format!("{name}-{number}");
        rotate(ports, exchange(id, &of(1), &of(2), seconds)).await;
        let reused = rotate(ports, exchange(id, &of(1), &of(3), seconds + 100)).await;
        assert_eq!(reused, Rotated::Reused { user: user.id });
        let mails = ports.mail_queue.backlog().await.unwrap().mails;
        assert_eq!(mails, told, "after {seconds} s");
    }
}

/// A token of another session touches nothing.
pub async fn a_token_is_for_its_own_session(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let id = begin(ports, &ada, "t", 0).await;
    let elsewhere = exchange(SessionId::generate(), "t-1", "t-2", 2);
    assert_eq!(rotate(ports, elsewhere).await, Rotated::Refused);
    let next = rotate(ports, exchange(id, "t-1", "t-2", 3)).await;
    assert_eq!(next, Rotated::Advanced { user: ada.id });
}

/// A session ends when it was not refreshed for too long, and at the latest when its time is over.
pub async fn a_session_expires(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let idle = begin(ports, &ada, "idle", 0).await;
    assert!(lives(ports, &ada, idle, 999).await);
    assert!(!lives(ports, &ada, idle, 1_000).await);
    assert_eq!(listed(ports, &ada, 1_000).await, []);
    assert_eq!(rotate(ports, exchange(idle, "idle-1", "x", 1_000)).await, Rotated::Refused);
    let early = rotate(ports, exchange(idle, "idle-1", "x", 1)).await;
    assert_eq!(early, Rotated::Refused, "it is gone");

    let long = begin(ports, &ada, "long", 0).await;
    for (n, seconds) in [(1, 900), (2, 1_800), (3, 2_700)] {
        let next = exchange(long, &format!("long-{n}"), &format!("long-{}", n + 1), seconds);
        assert_eq!(rotate(ports, next).await, Rotated::Advanced { user: ada.id });
    }
    let found = ports.sessions.sessions(ada.id, page(1, 1), at(2_700)).await.unwrap().items;
    assert_eq!(found[0].expires_at, at(3_000));
    assert!(lives(ports, &ada, long, 2_999).await);
    assert!(!lives(ports, &ada, long, 3_000).await);
}

/// Of many who present the same token at once one moves the session on; the others get its answer.
pub async fn fifty_exchanges_at_once_are_one_step(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let id = begin(ports, &ada, "t", 0).await;
    let all = (0..50).map(|n| rotate(ports, exchange(id, "t-1", &format!("child{n}"), 5)));
    let mut children: Vec<String> = Vec::new();
    let mut advanced = 0;
    for (n, outcome) in join_all(all).await.into_iter().enumerate() {
        match outcome {
            Rotated::Advanced { .. } => {
                advanced += 1;
                children.push(format!("sealed child{n}"));
            }
            Rotated::Repeated { sealed_child, .. } => children.push(sealed_child),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((advanced, children.len()), (1, 50));
    assert!(children.iter().all(|child| *child == children[0]), "{children:?}");
}

/// The standing is that of the account, and says whether the session is its own and lives.
pub async fn a_standing_tells_of_account_and_session(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let unverified = NewAccount { email_verified: false, ..account("eve") };
    let eve = ports.accounts.create(unverified, None).await.unwrap().into_inner();
    let id = begin(ports, &ada, "t", 0).await;
    let of = async |user: UserId| ports.sessions.standing(user, id, at(1)).await.unwrap();
    let ended = Standing {
        role: Role::User,
        status: UserStatus::Active,
        email_verified: true,
        session_lives: false,
    };
    assert_eq!(of(ada.id).await, Some(Standing { session_lives: true, ..ended }));
    assert_eq!(of(bob.id).await, Some(ended), "it is another's");
    assert_eq!(of(eve.id).await, Some(Standing { email_verified: false, ..ended }));
    assert_eq!(of(UserId::generate()).await, None);
    let promote = StandingChange { role: Some(Role::Admin), status: None };
    ports.accounts.change_standing(ada.id, promote, at(1)).await.unwrap();
    let admin = Standing { role: Role::Admin, session_lives: true, ..ended };
    assert_eq!(of(ada.id).await, Some(admin), "a new role ends no session");
}

/// A user ends their own sessions, each once, and nobody else's.
pub async fn a_session_is_ended_by_its_user(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let (first, second) = (begin(ports, &ada, "a", 0).await, begin(ports, &ada, "b", 0).await);
    assert!(!ports.sessions.end(bob.id, first, at(1)).await.unwrap());
    assert!(ports.sessions.end(ada.id, first, at(1)).await.unwrap());
    assert!(!ports.sessions.end(ada.id, first, at(1)).await.unwrap());
    assert_eq!(listed(ports, &ada, 1).await, [second]);
    assert_eq!(rotate(ports, exchange(first, "a-1", "a-2", 1)).await, Rotated::Refused);
    assert!(!ports.sessions.end(ada.id, second, at(1_000)).await.unwrap(), "it had expired");
}

/// A changed password ends every session but the one that changed it; what was checked against
/// an older password changes nothing.
pub async fn a_changed_password_ends_the_other_sessions(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let (first, second) = (begin(ports, &ada, "a", 0).await, begin(ports, &ada, "b", 0).await);
    let bobs = begin(ports, &bob, "c", 0).await;
    let change = |checked: &str, new: &str| PasswordChange {
        checked_hash: checked.to_owned(),
        new_hash: new.to_owned(),
        keep: second,
    };
    ports.accounts.change_password(ada.id, change("hash of ada", "new"), at(1)).await.unwrap();
    assert!(!lives(ports, &ada, first, 1).await);
    assert_eq!(listed(ports, &ada, 1).await, [second]);
    assert_eq!(listed(ports, &bob, 1).await, [bobs]);
    let found = ports.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!(found.password_hash, "new");
    let stale = ports.accounts.change_password(ada.id, change("hash of ada", "x"), at(2)).await;
    assert!(matches!(stale, Err(AccountError::PasswordChanged)), "{stale:?}");
    let nobody = UserId::generate();
    let missing = ports.accounts.change_password(nobody, change("new", "x"), at(2)).await;
    assert!(matches!(missing, Err(AccountError::NotFound)), "{missing:?}");
}

/// Disabling an account ends its sessions for good, deleting it takes them along.
pub async fn sessions_end_with_their_account(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let (adas, bobs) = (begin(ports, &ada, "a", 0).await, begin(ports, &bob, "b", 0).await);
    let status = |status| StandingChange { role: None, status: Some(status) };
    for wanted in [UserStatus::Disabled, UserStatus::Active] {
        ports.accounts.change_standing(ada.id, status(wanted), at(1)).await.unwrap();
        assert!(!lives(ports, &ada, adas, 1).await);
        assert_eq!(rotate(ports, exchange(adas, "a-1", "a-2", 1)).await, Rotated::Refused);
    }
    ports.accounts.delete(bob.id, at(1)).await.unwrap();
    assert_eq!(ports.sessions.standing(bob.id, bobs, at(1)).await.unwrap(), None);
    assert_eq!(rotate(ports, exchange(bobs, "b-1", "b-2", 1)).await, Rotated::Refused);
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! sessions_contract {
    ($make:path) => {
        $crate::contract_cases!(
            sessions,
            $make,
            [
                a_session_is_found_in_its_users_list,
                a_session_begins_on_an_account_as_it_was_checked,
                of_too_many_the_longest_idle_ends,
                a_token_is_exchanged_for_the_next,
                a_lost_answer_is_given_again_for_a_moment,
                a_token_that_comes_again_ends_its_session,
                a_stolen_session_is_told_once_an_hour,
                a_token_is_for_its_own_session,
                a_session_expires,
                fifty_exchanges_at_once_are_one_step,
                a_standing_tells_of_account_and_session,
                a_session_is_ended_by_its_user,
                a_changed_password_ends_the_other_sessions,
                sessions_end_with_their_account,
            ]
        );
    };
}
