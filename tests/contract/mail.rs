//! The ways out for mails, and how SMTP fails.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::time::Instant;
use url::Url;
use watchme::adapters::mail::{Composer, FolderMailer, MailSettings, SmtpMailer};
use watchme_actors::{
    domain::{Letter, Mail, MailToken, MailedToken},
    ports::Mailer,
    testing::contracts::mailer::{Letterbox, MailerPorts},
};

use crate::support::{
    mails::{self, Received},
    smtp::{Mood, SmtpDouble},
};

fn composer(web_url: Option<&str>) -> Composer {
    Composer::new(MailSettings {
        from: "WatchMe <no-reply@watchme.example>".parse().unwrap(),
        web_url: web_url.map(|url| Url::parse(url).unwrap()),
    })
}

struct Folder(PathBuf);

#[async_trait]
impl Letterbox for Folder {
    async fn mails(&self) -> Vec<String> {
        mails::in_folder(&self.0).into_iter().map(|mail| mail.raw).collect()
    }
}

struct Server(Arc<SmtpDouble>);

#[async_trait]
impl Letterbox for Server {
    async fn mails(&self) -> Vec<String> {
        self.0.received().into_iter().map(|mail| mail.raw).collect()
    }
}

async fn into_a_folder() -> MailerPorts {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mails");
    MailerPorts {
        mailer: Arc::new(FolderMailer::new(path.clone(), composer(None))),
        letterbox: Box::new(Folder(path)),
        keep: Box::new(folder),
    }
}

async fn over_smtp() -> MailerPorts {
    let double = Arc::new(SmtpDouble::start().await);
    let mailer = SmtpMailer::new(&double.url(), composer(None)).unwrap();
    MailerPorts {
        mailer: Arc::new(mailer),
        letterbox: Box::new(Server(Arc::clone(&double))),
        keep: Box::new(()),
    }
}

mod folder {
    watchme_actors::mailer_contract!(super::into_a_folder);
}

mod smtp {
    watchme_actors::mailer_contract!(super::over_smtp);
}

fn recovery() -> (Mail, MailToken) {
    let token = MailToken::generate();
    let mailed = MailedToken { token: token.clone(), counts_for: Duration::from_secs(7_200) };
    let to = "ada@example.com".parse().unwrap();
    (Mail { to, name: "Zoë".parse().ok(), letter: Letter::Recovery(mailed) }, token)
}

async fn received(web_url: Option<&str>) -> (Received, String) {
    let double = SmtpDouble::start().await;
    let (mail, token) = recovery();
    let mailer = SmtpMailer::new(&double.url(), composer(web_url)).unwrap();
    mailer.send(&mail).await.unwrap();
    (double.received().remove(0), token.expose())
}

#[tokio::test]
async fn a_link_carries_the_token_where_no_server_logs_it() {
    for front_end in ["https://app.example.com", "https://app.example.com/"] {
        let (mail, token) = received(Some(front_end)).await;
        let link = format!("https://app.example.com/reset-password#token={token}");
        assert!(mail.part("text/plain").contains(&link), "{}", mail.raw);
        assert!(mail.part("text/html").contains(&format!("href=\"{link}\"")), "{}", mail.raw);
    }
}

#[tokio::test]
async fn without_a_front_end_the_mail_says_how_the_token_is_used() {
    let (mail, token) = received(None).await;
    let text = mail.part("text/plain");
    assert_eq!(mail.token(), token);
    assert!(text.contains("POST /api/v1/auth/password/reset"), "{text}");
    assert!(text.starts_with("Hello Zoë,\r\n") && text.contains("within 2 hours"), "{text}");
    assert_eq!(mail.header("from"), "WatchMe <no-reply@watchme.example>");
    assert!(mail.header("message-id").ends_with("@watchme.example>"), "{}", mail.raw);
}

#[tokio::test]
async fn what_a_server_answers_is_told_without_the_address() {
    let double = SmtpDouble::start().await;
    let mailer = SmtpMailer::new(&double.url(), composer(None)).unwrap();
    for (mood, told) in [
        (Mood::Refusing(451), "the mail server answered 451"),
        (Mood::Refusing(550), "the mail server answered 550"),
        (Mood::Cutting, "the mail server"),
    ] {
        double.set(mood);
        let error = mailer.send(&recovery().0).await.unwrap_err().to_string();
        assert!(error.starts_with(told) && !error.contains("ada"), "{mood:?}: {error}");
    }
    double.set(Mood::Willing);
    mailer.send(&recovery().0).await.unwrap();
    let nobody = SmtpMailer::new("smtp://127.0.0.1:1", composer(None)).unwrap();
    let error = nobody.send(&recovery().0).await.unwrap_err().to_string();
    assert!(error.starts_with("the mail server was not reached"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_ten_seconds() {
    let double = SmtpDouble::start().await;
    double.set(Mood::Silent);
    let mailer = SmtpMailer::new(&double.url(), composer(None)).unwrap();
    let began = Instant::now();
    mailer.send(&recovery().0).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
}

#[test]
fn an_address_of_a_server_is_checked_before_it_is_used() {
    for right in
        ["smtp://h", "smtps://me:pw@h", "smtp://h:587?tls=required", "smtp://h?tls=opportunistic"]
    {
        SmtpMailer::new(right, composer(None)).unwrap();
    }
    for wrong in ["h", "http://h", "smtp://h?tls=perhaps"] {
        assert!(SmtpMailer::new(wrong, composer(None)).is_err(), "{wrong}");
    }
}
