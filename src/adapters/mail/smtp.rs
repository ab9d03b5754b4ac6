//! Mails over SMTP.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{self, AsyncSmtpTransportBuilder},
};
use tokio::time::timeout;
use watchme_actors::{
    domain::{Invalid, Mail},
    ports::{MailError, Mailer},
};

use super::Composer;

/// For a whole mail, from connecting to the server's word that it has it: the transport itself
/// waits for answers without end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hands mails to a server, each over a connection of its own.
#[derive(Debug)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    composer: Composer,
}

impl SmtpMailer {
    /// To the server of a URL: `smtp://` is plain, with `?tls=required` (port 587) and for
    /// `smtps://` (port 465) it is TLS by the roots of the web. It may carry a name and a password.
    ///
    /// # Errors
    /// When the URL is not one of these.
    pub fn new(url: &str, composer: Composer) -> Result<Self, Invalid> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map(AsyncSmtpTransportBuilder::build)
            .map_err(|_| {
                Invalid::new(
                    "not_a_url",
                    "must be a URL such as `smtps://name:password@host` or `smtp://host:587?tls=required`",
                )
            })?;
        Ok(Self { transport, composer })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.composer.compose(mail)?;
        match timeout(PATIENCE, self.transport.send(message)).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(MailError(reason(&error))),
            Err(_elapsed) => Err(MailError("the mail server did not answer in time".to_owned())),
        }
    }
}

/// Without what the server says, which may repeat the address.
fn reason(error: &smtp::Error) -> String {
    if let Some(code) = error.status() {
        return format!("the mail server answered {code}");
    }
    if error.is_response() || error.is_client() {
        return "the mail server does not speak SMTP as expected".to_owned();
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("the mail server was not reached{cause}")
}
