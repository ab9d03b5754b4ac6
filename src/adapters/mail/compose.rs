//! Writing a mail: subject, plain text and HTML.

use askama::Template;
use lettre::{
    Message,
    address::Address,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use url::Url;
use uuid::Uuid;
use watchme_actors::{
    domain::{Letter, Mail, MailedToken, PersonName},
    ports::MailError,
};

/// What all mails have in common.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Whom they come from.
    pub from: Mailbox,
    /// The front end that links lead to; without it mails carry the token alone.
    pub web_url: Option<Url>,
}

/// Writes mails.
#[derive(Debug, Clone)]
pub struct Composer(MailSettings);

#[derive(Template)]
#[template(path = "mail/mail.txt")]
struct PlainText<'a>(&'a Content<'a>);

#[derive(Template)]
#[template(path = "mail/mail.html")]
struct Html<'a>(&'a Content<'a>);

/// What the templates are filled with.
struct Content<'a> {
    letter: &'a Letter,
    /// Whatever a user typed in: for text, never for a header.
    name: Option<&'a str>,
    token: String,
    /// Empty where there is no front end.
    link: String,
    counts_for: String,
}

impl Composer {
    /// A composer.
    #[must_use]
    pub fn new(settings: MailSettings) -> Self {
        Self(settings)
    }

    /// The whole message.
    ///
    /// # Errors
    /// When it cannot be written; the reason names no address.
    pub(super) fn compose(&self, mail: &Mail) -> Result<Message, MailError> {
        let unwritable = |part| MailError(format!("{part} of a mail cannot be written"));
        let to: Address = mail.to.as_str().parse().map_err(|_| unwritable("the address"))?;
        let content = self.content(mail);
        let text = PlainText(&content).render().map_err(|_| unwritable("the text"))?;
        let html = Html(&content).render().map_err(|_| unwritable("the HTML"))?;
        let from = self.0.from.clone();
        Message::builder()
            .message_id(Some(format!("<{}@{}>", Uuid::new_v4(), from.email.domain())))
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(subject(&mail.letter))
            // Nobody's absence note is to answer it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|_| unwritable("the head"))
    }

    fn content<'a>(&self, mail: &'a Mail) -> Content<'a> {
        let (page, mailed) = match &mail.letter {
            Letter::Recovery(mailed) => ("reset-password", Some(mailed)),
            Letter::Verification(mailed) => ("verify-email", Some(mailed)),
            Letter::AlreadyRegistered
            | Letter::PasswordChanged
            | Letter::EmailWanted
            | Letter::EmailChanged
            | Letter::SessionRevoked => ("", None),
        };
        let token = mailed.map(|mailed| mailed.token.expose()).unwrap_or_default();
        Content {
            letter: &mail.letter,
            name: mail.name.as_ref().map(PersonName::as_str),
            link: self.0.web_url.as_ref().map(|web| link(web, page, &token)).unwrap_or_default(),
            token,
            counts_for: mailed.map(in_words).unwrap_or_default(),
        }
    }
}

/// In the fragment the token reaches the page, and the log of no server.
fn link(web: &Url, page: &str, token: &str) -> String {
    format!("{}/{page}#token={token}", web.as_str().trim_end_matches('/'))
}

fn subject(letter: &Letter) -> &'static str {
    match letter {
        Letter::Recovery(_) => "Set your WatchMe password",
        Letter::Verification(_) => "Verify your address for WatchMe",
        Letter::AlreadyRegistered => "You have a WatchMe account already",
        Letter::PasswordChanged => "Your WatchMe password was changed",
        Letter::EmailWanted => "Your WatchMe account is to have another address",
        Letter::EmailChanged => "Your WatchMe account has another address",
        Letter::SessionRevoked => "A WatchMe session of yours was ended",
    }
}

fn in_words(mailed: &MailedToken) -> String {
    const HOUR: u64 = 3_600;
    match mailed.counts_for.as_secs() {
        seconds if seconds >= 2 * HOUR => format!("{} hours", seconds / HOUR),
        seconds => format!("{} minutes", seconds / 60),
    }
}
