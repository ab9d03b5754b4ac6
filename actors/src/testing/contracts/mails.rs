//! Contract of the `mail_queue` and `mail_tokens` ports.

use std::time::Duration;

use futures_util::future::{FutureExt, join_all};

use super::setup::{account, at, key, user};
use crate::{
    domain::{Email, Letter, Mail, MailToken, Timestamp, User, UserStatus},
    ports::{
        AccountError, Created, MailTokenError, NewAccount, ProfileChange, QueuedMail,
        StandingChange, TokenLifetimes,
    },
    testing::SqlPorts,
};

const LIFETIMES: TokenLifetimes = TokenLifetimes {
    recovery: Duration::from_secs(1_800),
    verification: Duration::from_secs(86_400),
};

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

async fn due(ports: &SqlPorts, now: Timestamp) -> Vec<QueuedMail> {
    ports.mail_queue.due(100, now).await.unwrap()
}

/// Takes every mail that is due out of the queue and gives what is to be sent.
async fn mails(ports: &SqlPorts, now: Timestamp) -> Vec<Mail> {
    let mut mails = Vec::new();
    for queued in due(ports, now).await {
        mails.extend(ports.mail_queue.prepare(queued.id, LIFETIMES, now).await.unwrap());
        ports.mail_queue.remove(queued.id).await.unwrap();
    }
    mails
}

async fn only_mail(ports: &SqlPorts, now: Timestamp) -> Mail {
    let mut mails = mails(ports, now).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

fn token_of(mail: &Mail) -> MailToken {
    match &mail.letter {
        Letter::Recovery(mailed) | Letter::Verification(mailed) => mailed.token.clone(),
        other => panic!("no token in {other:?}"),
    }
}

async fn recovery_token(ports: &SqlPorts, email: &Email, now: Timestamp) -> MailToken {
    ports.mail_queue.ask_recovery(email, now).await.unwrap();
    token_of(&only_mail(ports, now).await)
}

/// An account whose address is not verified, and the token to verify it with.
async fn registered(ports: &SqlPorts, name: &str) -> (User, MailToken) {
    let wanted = NewAccount { email_verified: false, ..account(name) };
    let address = wanted.email.clone();
    ports.accounts.register(wanted, None).await.unwrap();
    let token = token_of(&only_mail(ports, at(0)).await);
    (ports.accounts.credentials(&address).await.unwrap().unwrap().user, token)
}

async fn now_of(ports: &SqlPorts, user: &User) -> User {
    ports.accounts.user(user.id).await.unwrap().unwrap()
}

async fn hash_of(ports: &SqlPorts, user: &User) -> String {
    ports.accounts.credentials(&user.email).await.unwrap().unwrap().password_hash
}

fn wish(user: &User, email: &str) -> ProfileChange {
    ProfileChange { name: user.name.clone(), email: email.parse().unwrap(), verified_first: true }
}

fn is_invalid<T>(outcome: Result<T, MailTokenError>) -> bool {
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

/// A new account is not verified until its token comes back, once, within its time.
pub async fn a_registration_is_verified_by_its_token(ports: &SqlPorts) {
    let (ada, token) = registered(ports, "ada").await;
    assert!(!ada.email_verified);
    let day = 86_400;
    assert!(is_invalid(ports.mail_tokens.verify_email(&token, at(day)).await));
    assert_eq!(ports.mail_tokens.verify_email(&token, at(day - 1)).await.unwrap(), ada.id);
    assert!(now_of(ports, &ada).await.email_verified);
    assert!(is_invalid(ports.mail_tokens.verify_email(&token, at(1)).await));
    assert!(mails(ports, at(day)).await.is_empty());
}

/// Whoever registers a known address makes nothing; the mail says what there is to do.
pub async fn a_known_address_is_written_to(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let again = || NewAccount { password_hash: "theirs".into(), ..account("ada") };
    ports.accounts.register(again(), None).await.unwrap();
    let mail = only_mail(ports, at(0)).await;
    assert_eq!((mail.to, mail.letter), (ada.email.clone(), Letter::AlreadyRegistered));
    assert_eq!(hash_of(ports, &ada).await, "hash of ada");

    // Nobody has shown that the address is theirs: a new password is what does.
    let (bob, _) = registered(ports, "bob").await;
    let again =
        NewAccount { email_verified: false, password_hash: "theirs".into(), ..account("bob") };
    ports.accounts.register(again, None).await.unwrap();
    let mail = only_mail(ports, at(0)).await;
    assert!(matches!(mail.letter, Letter::Recovery(_)) && mail.name.is_none(), "{mail:?}");
    assert_eq!(hash_of(ports, &bob).await, "hash of bob");
}

/// A registration with a key is carried out once, whether the address is known or not.
pub async fn a_registration_is_carried_out_once(ports: &SqlPorts) {
    user(ports, "ada").await;
    for name in ["ada", "bob"] {
        let wanted = || NewAccount { email_verified: false, ..account(name) };
        let of = |print| key(&format!("nobody {name}"), "key", print);
        let first = ports.accounts.register(wanted(), Some(&of("print"))).await.unwrap();
        let again = ports.accounts.register(wanted(), Some(&of("print"))).await.unwrap();
        assert!(matches!((first, again), (Created::Now(()), Created::Before(()))), "{name}");
        let other = ports.accounts.register(wanted(), Some(&of("other"))).await;
        assert!(matches!(other, Err(AccountError::KeyReused)), "{name}");
        assert_eq!(mails(ports, at(0)).await.len(), 1, "{name}");
    }
}

/// Of several registrations of an address at once one makes the account, and all are answered.
pub async fn registering_at_once_makes_one_account(ports: &SqlPorts) {
    let wanted = || NewAccount { email_verified: false, ..account("ada") };
    let outcomes = join_all((0..6).map(|_| ports.accounts.register(wanted(), None))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let mails = mails(ports, at(0)).await;
    let verifications =
        mails.iter().filter(|mail| matches!(mail.letter, Letter::Verification(_))).count();
    assert_eq!((mails.len(), verifications), (6, 1));
}

/// Another address is the account's when its token comes back; the one before is told.
pub async fn another_address_waits_for_its_token(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let wish = wish(&ada, "new@example.com");
    let changed = ports.accounts.change_profile(ada.id, wish.clone(), at(1)).await.unwrap();
    assert_eq!((&changed.email, &changed.pending_email), (&ada.email, &Some(wish.email.clone())));
    assert_eq!(ports.accounts.change_profile(ada.id, wish.clone(), at(2)).await.unwrap(), changed);
    let mail = only_mail(ports, at(2)).await;
    assert_eq!((&mail.to, &mail.name), (&wish.email, &None));
    let recovery = recovery_token(ports, &ada.email, at(2)).await;
    ports.mail_tokens.verify_email(&token_of(&mail), at(3)).await.unwrap();
    let now = now_of(ports, &ada).await;
    assert_eq!((&now.email, &now.pending_email, now.email_verified), (&wish.email, &None, true));
    let told = only_mail(ports, at(3)).await;
    assert_eq!((told.to, told.letter), (ada.email, Letter::EmailChanged));
    assert_eq!(ports.mail_tokens.recovering(&recovery, at(3)).await.unwrap(), None);
}

/// An address that the user does not want any more is not verified, nor one that somebody else
/// has got; whoever has it is written to.
pub async fn an_address_can_be_lost_while_it_waits(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let change = |email| ports.accounts.change_profile(ada.id, wish(&ada, email), at(0));
    change("new@example.com").await.unwrap();
    let token = token_of(&only_mail(ports, at(0)).await);
    assert_eq!(change("ada@example.com").await.unwrap().pending_email, None);
    assert!(is_invalid(ports.mail_tokens.verify_email(&token, at(1)).await));

    change("bob@example.com").await.unwrap();
    let token = token_of(&only_mail(ports, at(0)).await);
    user(ports, "bob").await;
    let taken = ports.mail_tokens.verify_email(&token, at(1)).await;
    assert!(matches!(taken, Err(MailTokenError::EmailTaken)));
    assert_eq!(now_of(ports, &ada).await.email, ada.email);

    ports.mail_queue.ask_verification(ada.id, at(0)).await.unwrap();
    let mail = only_mail(ports, at(0)).await;
    assert_eq!((mail.to, mail.letter), (email("bob@example.com"), Letter::AlreadyRegistered));
}

/// A verification that is asked for goes to the address that the account waits for, else to its
/// own, and nowhere when that is verified.
pub async fn a_verification_is_sent_again(ports: &SqlPorts) {
    let (ada, first) = registered(ports, "ada").await;
    ports.mail_queue.ask_verification(ada.id, at(1)).await.unwrap();
    let mail = only_mail(ports, at(1)).await;
    assert_eq!(mail.to, ada.email);
    assert_ne!(token_of(&mail), first);
    ports.accounts.change_profile(ada.id, wish(&ada, "new@example.com"), at(2)).await.unwrap();
    assert_eq!(only_mail(ports, at(2)).await.to, email("new@example.com"));
    ports.mail_queue.ask_verification(ada.id, at(3)).await.unwrap();
    let mail = only_mail(ports, at(3)).await;
    assert_eq!(mail.to, email("new@example.com"));
    ports.mail_tokens.verify_email(&token_of(&mail), at(4)).await.unwrap();
    // Nobody had verified the address before: whoever reads its mail is not told.
    assert!(mails(ports, at(4)).await.is_empty());
    ports.mail_queue.ask_verification(ada.id, at(5)).await.unwrap();
    assert!(mails(ports, at(5)).await.is_empty());
}

/// Deleting an account takes its mails and tokens along.
pub async fn mails_and_tokens_go_with_their_account(ports: &SqlPorts) {
    let (ada, token) = registered(ports, "ada").await;
    ports.mail_queue.ask_recovery(&ada.email, at(0)).await.unwrap();
    ports.accounts.change_profile(ada.id, wish(&ada, "new@example.com"), at(0)).await.unwrap();
    ports.mail_queue.ask_recovery(&email("new@example.com"), at(0)).await.unwrap();
    ports.mail_queue.ask_recovery(&email("other@example.com"), at(0)).await.unwrap();
    ports.accounts.delete(ada.id, at(1)).await.unwrap();
    assert_eq!(due(ports, at(1)).await.len(), 1, "somebody else's stays");
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
                a_registration_is_verified_by_its_token,
                a_known_address_is_written_to,
                a_registration_is_carried_out_once,
                registering_at_once_makes_one_account,
                another_address_waits_for_its_token,
                an_address_can_be_lost_while_it_waits,
                a_verification_is_sent_again,
                mails_and_tokens_go_with_their_account,
            ]
        );
    };
}
