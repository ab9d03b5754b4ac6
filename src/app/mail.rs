//! The way that mails go.

use std::sync::Arc;

use watchme_actors::ports::{Mailer, TokenLifetimes};

use super::AppError;
use crate::{
    adapters::mail::{Composer, FolderMailer, MailSettings, SmtpMailer},
    config::MailConfig,
    data_dir::DataDir,
};

/// Over SMTP, where that is set.
pub(super) fn smtp(config: &MailConfig) -> Result<Option<Arc<dyn Mailer>>, AppError> {
    let Some(url) = &config.smtp_url else { return Ok(None) };
    let mailer = SmtpMailer::new(url.expose(), composer(config))
        .map_err(|reason| AppError::Setting { variable: "WATCHME_SMTP_URL", reason })?;
    Ok(Some(Arc::new(mailer)))
}

/// Into the data folder, where there is one.
pub(super) fn folder(config: &MailConfig, data: Option<&DataDir>) -> Option<Arc<dyn Mailer>> {
    let Some(data) = data else {
        tracing::warn!("mails cannot be sent: WATCHME_SMTP_URL is not set");
        return None;
    };
    Some(Arc::new(FolderMailer::new(data.file("mails"), composer(config))))
}

fn composer(config: &MailConfig) -> Composer {
    Composer::new(MailSettings { from: config.from.clone(), web_url: config.web_url.clone() })
}

/// For how long the tokens in mails count.
pub(super) fn lifetimes(config: &MailConfig) -> TokenLifetimes {
    TokenLifetimes { recovery: config.recovery_ttl, verification: config.verification_ttl }
}
