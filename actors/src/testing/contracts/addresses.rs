//! Contract of how accounts come to their addresses: `accounts`, `mail_queue` and `mail_tokens`.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    mails::{
        email, hash_of, is_invalid, mails, now_of, only_mail, recovery_token, registered, token_of,
        wish,
    },
    setup::{account, at, key, user},
};
use crate::{
    domain::{Letter, SessionId},
    ports::{
        AccountError, BeginError, Created, MailTokenError, NO_PASSWORD, NewAccount, NewSession,
        PasswordChange,
    },
    testing::SqlPorts,
};

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
    let again = NewAccount { password_hash: "theirs".into(), ..account("ada") };
    ports.accounts.register(again, None).await.unwrap();
    let mail = only_mail(ports, at(0)).await;
    assert_eq!((mail.to, mail.letter), (ada.email.clone(), Letter::AlreadyRegistered));
    assert_eq!(hash_of(ports, &ada).await, "hash of ada");
    assert_eq!(now_of(ports, &ada).await, ada);
}

/// An address that was never verified and is registered again is nobody's: neither who made the
/// account nor who came later is let in by a click of somebody else, before or after.
pub async fn an_address_that_is_registered_again_is_nobodys(ports: &SqlPorts) {
    let (eve, verification) = registered(ports, "eve").await;
    let session = NewSession {
        id: SessionId::generate(),
        user: eve.id,
        password_hash: "hash of eve".to_owned(),
        token_hash: "0".repeat(64),
        user_agent: None,
        address: None,
        now: at(0),
        idle: Duration::from_secs(1_000),
        lifetime: Duration::from_secs(1_000),
    };
    ports.sessions.begin(session.clone()).await.unwrap();
    // One that is not written yet.
    ports.mail_queue.ask_verification(eve.id, at(0)).await.unwrap();
    let again = NewAccount {
        email_verified: false,
        name: "Another".parse().unwrap(),
        password_hash: "theirs".into(),
        now: at(1),
        ..account("eve")
    };
    ports.accounts.register(again, None).await.unwrap();

    let mail = only_mail(ports, at(1)).await;
    assert!(matches!(mail.letter, Letter::Recovery(_)) && mail.name.is_none(), "{mail:?}");
    let now = now_of(ports, &eve).await;
    assert_eq!((now.name.as_str(), now.email_verified), ("Another", false));
    assert_eq!(hash_of(ports, &eve).await, NO_PASSWORD);
    let standing = ports.sessions.standing(eve.id, session.id, at(1)).await.unwrap().unwrap();
    assert!(!standing.session_lives);
    let later = NewSession { id: SessionId::generate(), ..session };
    assert!(matches!(ports.sessions.begin(later).await, Err(BeginError::Changed)));
    assert!(is_invalid(ports.mail_tokens.verify_email(&verification, at(1)).await));

    ports.mail_tokens.reset_password(&token_of(&mail), "the owner's", at(2)).await.unwrap();
    assert!(now_of(ports, &eve).await.email_verified);
    assert_eq!(hash_of(ports, &eve).await, "the owner's");
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

/// Of several registrations of an address at once one makes the account, and all are answered: it is
/// one that was registered again.
pub async fn registering_at_once_makes_one_account(ports: &SqlPorts) {
    let wanted = || NewAccount { email_verified: false, ..account("ada") };
    let outcomes = join_all((0..6).map(|_| ports.accounts.register(wanted(), None))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert!(matches!(only_mail(ports, at(0)).await.letter, Letter::Recovery(_)));
}

/// Another address is the account's when its token comes back; the one before is told that it is
/// wanted, and that it is there.
pub async fn another_address_waits_for_its_token(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let wish = wish(&ada, "new@example.com");
    let changed = ports.accounts.change_profile(ada.id, wish.clone(), at(1)).await.unwrap();
    assert_eq!((&changed.email, &changed.pending_email), (&ada.email, &Some(wish.email.clone())));
    assert_eq!(ports.accounts.change_profile(ada.id, wish.clone(), at(2)).await.unwrap(), changed);
    let [mail, told] = mails(ports, at(2)).await.try_into().unwrap();
    assert_eq!((&mail.to, &mail.name), (&wish.email, &None));
    assert_eq!((&told.to, &told.name), (&ada.email, &Some(ada.name.clone())));
    assert_eq!(told.letter, Letter::EmailWanted);
    let recovery = recovery_token(ports, &ada.email, at(2)).await;
    ports.mail_tokens.verify_email(&token_of(&mail), at(3)).await.unwrap();
    let now = now_of(ports, &ada).await;
    assert_eq!((&now.email, &now.pending_email, now.email_verified), (&wish.email, &None, true));
    let told = only_mail(ports, at(3)).await;
    assert_eq!((told.to, told.letter), (ada.email, Letter::EmailChanged));
    assert_eq!(ports.mail_tokens.recovering(&recovery, at(3)).await.unwrap(), None);
}

/// A changed password drops an address that somebody else may have asked for, and every token.
pub async fn a_changed_password_drops_what_was_asked_for(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let wish = wish(&ada, "evil@example.com");
    ports.accounts.change_profile(ada.id, wish.clone(), at(1)).await.unwrap();
    let verification = token_of(&mails(ports, at(1)).await[0]);
    let recovery = recovery_token(ports, &ada.email, at(1)).await;
    // One that is not written yet.
    ports.mail_queue.ask_verification(ada.id, at(1)).await.unwrap();
    let change = PasswordChange {
        checked_hash: "hash of ada".to_owned(),
        new_hash: "new".to_owned(),
        keep: SessionId::generate(),
    };
    ports.accounts.change_password(ada.id, change, at(2)).await.unwrap();
    let now = now_of(ports, &ada).await;
    assert_eq!((&now.email, &now.pending_email, now.updated_at), (&ada.email, &None, at(2)));
    let told = only_mail(ports, at(2)).await;
    assert_eq!((&told.to, told.letter), (&ada.email, Letter::PasswordChanged));
    assert!(is_invalid(ports.mail_tokens.verify_email(&verification, at(3)).await));
    assert!(is_invalid(ports.mail_tokens.reset_password(&recovery, "theirs", at(3)).await));
    // Not even when the address is wanted once more.
    ports.accounts.change_profile(ada.id, wish, at(4)).await.unwrap();
    assert!(is_invalid(ports.mail_tokens.verify_email(&verification, at(5)).await));
}

/// An address that the user does not want any more is not verified, nor one that somebody else
/// has got; whoever has it is written to.
pub async fn an_address_can_be_lost_while_it_waits(ports: &SqlPorts) {
    let ada = user(ports, "ada").await;
    let change = |email| ports.accounts.change_profile(ada.id, wish(&ada, email), at(0));
    change("new@example.com").await.unwrap();
    let token = token_of(&mails(ports, at(0)).await[0]);
    assert_eq!(change("ada@example.com").await.unwrap().pending_email, None);
    assert!(is_invalid(ports.mail_tokens.verify_email(&token, at(1)).await));

    change("bob@example.com").await.unwrap();
    let token = token_of(&mails(ports, at(0)).await[0]);
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

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! addresses_contract {
    ($make:path) => {
        $crate::contract_cases!(
            addresses,
            $make,
            [
                a_registration_is_verified_by_its_token,
                a_known_address_is_written_to,
                an_address_that_is_registered_again_is_nobodys,
                a_registration_is_carried_out_once,
                registering_at_once_makes_one_account,
                another_address_waits_for_its_token,
                a_changed_password_drops_what_was_asked_for,
                an_address_can_be_lost_while_it_waits,
                a_verification_is_sent_again,
            ]
        );
    };
}
