//! Contract of the `mailer` port.

use std::{any::Any, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    domain::{Letter, Mail, MailToken, MailedToken, PersonName},
    ports::Mailer,
};

/// A way out, with nothing sent yet.
pub struct MailerPorts {
    /// It.
    pub mailer: Arc<dyn Mailer>,
    /// Where its mails arrive.
    pub letterbox: Box<dyn Letterbox>,
    /// Whatever has to live as long as it.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Where mails arrive.
#[async_trait]
pub trait Letterbox: Send + Sync {
    /// Every mail, whole, in the order of arrival.
    async fn mails(&self) -> Vec<String>;
}

fn mail(letter: Letter) -> Mail {
    Mail { to: "ada@example.com".parse().unwrap(), name: "Ada".parse().ok(), letter }
}

fn recovery() -> (MailToken, Letter) {
    let token = MailToken::generate();
    let counts_for = Duration::from_secs(1_800);
    (token.clone(), Letter::Recovery(MailedToken { token, counts_for }))
}

/// The head of a mail and the rest.
fn parted(mail: &str) -> (&str, &str) {
    mail.split_once("\r\n\r\n").expect("a mail has a head")
}

/// A mail arrives once, whole: with its address, its subject, and the token in text and HTML.
pub async fn a_mail_arrives_once_and_whole(ports: &MailerPorts) {
    let (token, letter) = recovery();
    ports.mailer.send(&mail(letter)).await.unwrap();
    let mails = ports.letterbox.mails().await;
    assert_eq!(mails.len(), 1);
    let (head, body) = parted(&mails[0]);
    for line in [
        "To: ada@example.com",
        "Subject: Set your WatchMe password",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(head.lines().any(|it| it == line), "{line}: {head}");
    }
    assert!(head.contains("multipart/alternative"), "{head}");
    for kind in ["text/plain", "text/html"] {
        assert!(body.contains(&format!("Content-Type: {kind}; charset=utf-8")), "{body}");
    }
    assert_eq!(body.matches(&token.expose()).count(), 2, "{body}");
    assert_eq!(body.matches("30 minutes").count(), 2, "{body}");
}

/// Mails arrive in the order in which they are sent, each with an id of its own.
pub async fn mails_arrive_in_order(ports: &MailerPorts) {
    for letter in [Letter::PasswordChanged, Letter::EmailChanged, Letter::SessionRevoked] {
        ports.mailer.send(&mail(letter)).await.unwrap();
    }
    let mails = ports.letterbox.mails().await;
    let all = |name: &str| {
        let line = |mail: &String| {
            let head = parted(mail).0;
            head.lines().find(|line| line.starts_with(name)).expect("it is there").to_owned()
        };
        mails.iter().map(line).collect::<Vec<_>>()
    };
    let subjects = all("Subject: ");
    assert!(subjects[0].contains("password") && subjects[1].contains("address"), "{subjects:?}");
    let mut ids = all("Message-ID: ");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

/// Whatever a user is called stands in the text as it is, in the HTML escaped, and in no header.
pub async fn a_name_is_text_and_nothing_else(ports: &MailerPorts) {
    let name: PersonName = "Bcc: eve@evil.example <script>\u{2028}&".parse().unwrap();
    let mail = Mail { name: Some(name), ..mail(Letter::PasswordChanged) };
    ports.mailer.send(&mail).await.unwrap();
    let mails = ports.letterbox.mails().await;
    let (head, body) = parted(&mails[0]);
    assert!(!head.contains("evil"), "{head}");
    let html = &body[body.find("text/html").expect("it has such a part")..];
    assert!(!html.contains("<script>"), "{html}");
    assert!(body.contains("evil.example"), "{body}");
}

/// No line of a letter to somebody whose name is not known speaks of one.
pub async fn a_letter_needs_no_name(ports: &MailerPorts) {
    let mail = Mail { name: None, ..mail(Letter::AlreadyRegistered) };
    ports.mailer.send(&mail).await.unwrap();
    assert!(ports.letterbox.mails().await[0].contains("\r\nHello,\r\n\r\n"));
}

/// Any address that an account may have can be written to.
pub async fn any_address_can_be_written_to(ports: &MailerPorts) {
    let local = "a".repeat(64);
    let addresses = [
        "!#$%&'*+-/=?^_`{|}~@example.com".to_owned(),
        format!("{local}@{}.example", "b".repeat(63)),
        "a.b+c@1.2.example".to_owned(),
        "x@y.z".to_owned(),
    ];
    for address in &addresses {
        let to = address.parse().expect("an address that we take");
        ports.mailer.send(&Mail { to, ..mail(Letter::PasswordChanged) }).await.expect(address);
    }
    assert_eq!(ports.letterbox.mails().await.len(), addresses.len());
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! mailer_contract {
    ($make:path) => {
        $crate::contract_cases!(
            mailer,
            $make,
            [
                a_mail_arrives_once_and_whole,
                mails_arrive_in_order,
                a_name_is_text_and_nothing_else,
                a_letter_needs_no_name,
                any_address_can_be_written_to,
            ]
        );
    };
}
