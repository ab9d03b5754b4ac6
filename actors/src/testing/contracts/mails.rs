//! Contract of the `mail_queue` and `mail_tokens` ports.

use std::time::Duration;

use futures_util::future::{FutureExt, join_all};

use super::setup::{account, at, user};
use crate::{
    domain::{Email, Letter, Mail, MailToken, Timestamp, User, UserStatus},
    ports::{
        MailTokenError, NewAccount, ProfileChange, QueuedMail, StandingChange, TokenLifetimes,
    },
    testing::SqlPorts,
};

const LIFETIMES: TokenLifetimes = TokenLifetimes {
    recovery: Duration::from_secs(1_800),
    verification: Duration::from_secs(86_400),
};

pub(super) fn email(text: &str) -> Email {
    text.parse().unwrap()
}

async fn due(ports: &SqlPorts, now: Timestamp) -> Vec<QueuedMail> {
    ports.mail_queue.due(100, now).await.unwrap()
}

/// Takes every mail that is due out of the queue and gives what is to be sent.
pub(super) async fn mails(ports: &SqlPorts, now: Timestamp) -> Vec<Mail> {
    let mut mails = Vec::new();
    for queued in due(ports, now).await {
        mails.extend(ports.mail_queue.prepare(queued.id, LIFETIMES, now).await.unwrap());
        ports.mail_queue.remove(queued.id).await.unwrap();
    }
    mails
}

pub(super) async fn only_mail(ports: &SqlPorts, now: Timestamp) -> Mail {
    let mut mails = mails(ports, now).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

pub(super) fn token_of(mail: &Mail) -> MailToken {
    match &mail.letter {
        Letter::Recovery(mailed) | Letter::Verification(mailed) => mailed.token.clone(),
        other => panic!("no token in {other:?}"),
    }
}

pub(super) async fn recovery_token(ports: &SqlPorts, email: &Email, now: Timestamp) -> MailToken {
    ports.mail_queue.ask_recovery(email, now).await.unwrap();
    token_of(&only_mail(ports, now).await)
}

/// An account whose address is not verified, and the token to verify it with.
pub(super) async fn registered(ports: &SqlPorts, name: &str) -> (User, MailToken) {
    let wanted = NewAccount { email_verified: false, ..account(name) };
    let address = wanted.email.clone();
    ports.accounts.register(wanted, None).await.unwrap();
    let token = token_of(&only_mail(ports, at(0)).await);
    (ports.accounts.credentials(&address).await.unwrap().unwrap().user, token)
}

pub(super) async fn now_of(ports: &SqlPorts, user: &User) -> User {
    ports.accounts.user(user.id).await.unwrap().unwrap()
}

pub(super) async fn hash_of(ports: &SqlPorts, user: &User) -> String {
    ports.accounts.credentials(&user.email).await.unwrap().unwrap().password_hash
}

pub(super) fn wish(user: &User, email: &str) -> ProfileChange {
    ProfileChange { name: user.name.clone(), email: email.parse().unwrap(), verified_first: true }
}

pub(super) fn is_invalid<T>(outcome: Result<T, MailTokenError>) -> bool {
    matches!(outcome, Err(MailTokenError::Invalid))
}

/// A mail is due from the moment of its queueing, in order, until it is taken out; whoever waits
/// for mails is told of it.
pub async fn mails_wait_in_order(ports: &SqlPorts) {
    let queued = ports.mail_queue.queued();
    let told = queued.notified();
    for second in [0, 1, 2] {
        let address = email(&format!("a{second}@example.com"));
        ports.mail_queue.ask_recovery(&address, at(second)).await.unwrap();
    }
    assert!(told.now_or_never().is_some());
    assert!(due(ports, at(-1)).await.is_empty());
    let found = due(ports, at(2)).await;
    assert_eq!(found.iter().map(|mail| mail.queued_at).collect::<Vec<_>>(), [at(0), at(1), at(2)]);
    assert_eq!(ports.mail_queue.due(2, at(2)).await.unwrap(), found[..2]);
    let backlog = ports.mail_queue.backlog().await.unwrap();
    assert_eq!((backlog.mails, backlog.oldest), (3, Some(at(0))));
    ports.mail_queue.remove(found[0].id).await.unwrap();
    assert_eq!(due(ports, at(2)).await, found[1..]);
}

/// A mail that was put off counts its attempts and comes again when its time has come.
pub async fn a_mail_that_was_put_off_comes_again(ports: &SqlPorts) {
    ports.mail_queue.ask_recovery(&email("ada@example.com"), at(0)).await.unwrap();
    for attempt in 1..=3_u32 {
        let queued = due(ports, at(i64::from(attempt) * 10)).await[0];
        assert_eq!(queued.attempts, attempt - 1);
        let until = at(i64::from(attempt + 1) * 10);
        ports.mail_queue.put_off(queued.id, until).await.unwrap();
        assert!(due(ports, until.before(Duration::from_millis(1))).await.is_empty());
    }
    assert_eq!(due(ports, at(40)).await[0].queued_at, at(0));
}

/// A recovery goes to the active account of an address; without one it leaves the queue.
pub async fn a_recovery_is_for_an_active_account(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    for address in ["ada@example.com", "nobody@example.com"] {
        ports.mail_queue.ask_recovery(&email(address), at(0)).await.unwrap();
    }
    let queued = due(ports, at(0)).await;
    let prepare = |n: usize| ports.mail_queue.prepare(queued[n].id, LIFETIMES, at(0));
    let mail = prepare(0).await.unwrap().unwrap();
    assert_eq!((mail.to, mail.name), (ada.email.clone(), Some(ada.name.clone())));
    assert!(matches!(mail.letter, Letter::Recovery(it) if it.counts_for == LIFETIMES.recovery));
    assert_eq!(prepare(1).await.unwrap(), None);
    assert_eq!(due(ports, at(0)).await, queued[..1]);
    assert_eq!(prepare(1).await.unwrap(), None, "it is gone");

    let disabled =
        StandingChange { status: Some(UserStatus::Disabled), ..StandingChange::default() };
    ports.accounts.change_standing(ada.id, disabled, at(1)).await.unwrap();
    assert_eq!(prepare(0).await.unwrap(), None);
}

/// Each attempt at a mail makes a token of its own.
pub async fn every_attempt_makes_a_new_token(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    ports.mail_queue.ask_recovery(&ada.email, at(0)).await.unwrap();
    let id = due(ports, at(0)).await[0].id;
    let attempt = || ports.mail_queue.prepare(id, LIFETIMES, at(0));
    let (first, second) = (attempt().await.unwrap().unwrap(), attempt().await.unwrap().unwrap());
    assert_ne!(token_of(&first), token_of(&second));
    for mail in [first, second] {
        assert!(ports.mail_tokens.recovering(&token_of(&mail), at(1)).await.unwrap().is_some());
    }
}

/// A recovery token sets one password, within its time, and takes the account's others with it.
pub async fn a_recovery_token_works_once(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let token = recovery_token(ports, &ada.email, at(0)).await;
    let other = recovery_token(ports, &ada.email, at(0)).await;
    let holder = ports.mail_tokens.recovering(&token, at(1_799)).await.unwrap();
    assert_eq!(holder.as_ref(), Some(&ada));
    assert_eq!(ports.mail_tokens.recovering(&token, at(1_800)).await.unwrap(), None);
    assert!(is_invalid(ports.mail_tokens.reset_password(&token, "late", at(1_800)).await));
    assert!(is_invalid(ports.mail_tokens.verify_email(&token, at(1)).await));
    let set = ports.mail_tokens.reset_password(&token, "new", at(1_799)).await.unwrap();
    assert_eq!((set, hash_of(ports, &ada).await.as_str()), (ada.id, "new"));
    for used in [&token, &other, &MailToken::generate()] {
        assert_eq!(ports.mail_tokens.recovering(used, at(1)).await.unwrap(), None);
        assert!(is_invalid(ports.mail_tokens.reset_password(used, "again", at(1)).await));
    }
    assert_eq!(hash_of(ports, &ada).await, "new");
    let told = only_mail(ports, at(1_799)).await;
    assert_eq!((told.to, told.letter), (ada.email, Letter::PasswordChanged));
}

/// Of several who bring a token at the same time one sets the password.
pub async fn a_token_that_comes_at_once_works_once(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let token = recovery_token(ports, &ada.email, at(0)).await;
    let hashes: Vec<String> = (0..8).map(|n| format!("hash {n}")).collect();
    let tries = hashes.iter().map(|hash| ports.mail_tokens.reset_password(&token, hash, at(1)));
    let outcomes = join_all(tries).await;
    let set: Vec<_> =
        hashes.iter().zip(&outcomes).filter(|(_, it)| it.is_ok()).map(|(hash, _)| hash).collect();
    assert_eq!(set, [&hash_of(ports, &ada).await]);
    assert!(outcomes.into_iter().filter(Result::is_err).all(is_invalid));
}

/// A reset verifies the address, and drops one that the account waited for.
pub async fn a_reset_verifies_the_address(ports: &SqlPorts) {
    let (ada, verification) = registered(ports, "ada").await;
    ports.accounts.change_profile(ada.id, wish(&ada, "new@example.com"), at(0)).await.unwrap();
    mails(ports, at(0)).await;
    let token = recovery_token(ports, &ada.email, at(0)).await;
    ports.mail_tokens.reset_password(&token, "new", at(1)).await.unwrap();
    let now = now_of(ports, &ada).await;
    assert_eq!((now.email_verified, now.pending_email), (true, None));
    assert!(is_invalid(ports.mail_tokens.verify_email(&verification, at(1)).await));
}

/// A disabled account's tokens do nothing, and a recovery token does nothing for an account that
/// has another address now.
pub async fn tokens_follow_their_account(ports: &SqlPorts) {
    let (ada, bob) = (user(ports, "ada").await, user(ports, "bob").await);
    let token = recovery_token(ports, &ada.email, at(0)).await;
    let moved = ProfileChange { verified_first: false, ..wish(&ada, "new@example.com") };
    ports.accounts.change_profile(ada.id, moved, at(0)).await.unwrap();
    let told = only_mail(ports, at(0)).await;
    assert_eq!((told.to, told.letter), (ada.email, Letter::EmailChanged));
    assert_eq!(ports.mail_tokens.recovering(&token, at(1)).await.unwrap(), None);
    assert!(is_invalid(ports.mail_tokens.reset_password(&token, "new", at(1)).await));

    let token = recovery_token(ports, &bob.email, at(0)).await;
    let status = |status| StandingChange { status: Some(status), ..StandingChange::default() };
    let disabled = status(UserStatus::Disabled);
    ports.accounts.change_standing(bob.id, disabled, at(1)).await.unwrap();
    assert_eq!(ports.mail_tokens.recovering(&token, at(1)).await.unwrap(), None);
    assert!(is_invalid(ports.mail_tokens.reset_password(&token, "new", at(1)).await));
    ports.accounts.change_standing(bob.id, status(UserStatus::Active), at(1)).await.unwrap();
    ports.mail_tokens.reset_password(&token, "new", at(1)).await.unwrap();
}

/// Deleting an account takes its mails and tokens along, and nobody else's, whatever address it wanted.
pub async fn mails_and_tokens_go_with_their_account(ports: &SqlPorts) {
    let (ada, token) = registered(ports, "ada").await;
    let bob = user(ports, "bob").await;
    ports.mail_queue.ask_recovery(&ada.email, at(0)).await.unwrap();
    ports.accounts.change_profile(ada.id, wish(&ada, "bob@example.com"), at(0)).await.unwrap();
    ports.mail_queue.ask_recovery(&bob.email, at(0)).await.unwrap();
    ports.accounts.delete(ada.id, at(1)).await.unwrap();
    let left = only_mail(ports, at(1)).await;
    assert_eq!((&left.to, left.name), (&bob.email, Some(bob.name)));
    assert!(matches!(left.letter, Letter::Recovery(_)));
    assert!(is_invalid(ports.mail_tokens.verify_email(&token, at(1)).await));
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! mails_contract {
    ($make:path) => {
        $crate::contract_cases!(
            mails,
            $make,
            [
                mails_wait_in_order,
                a_mail_that_was_put_off_comes_again,
                a_recovery_is_for_an_active_account,
                every_attempt_makes_a_new_token,
                a_recovery_token_works_once,
                a_token_that_comes_at_once_works_once,
                a_reset_verifies_the_address,
                tokens_follow_their_account,
                mails_and_tokens_go_with_their_account,
            ]
        );
    };
}
