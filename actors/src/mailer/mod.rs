//! From the queue to the way out: one replica at a time writes and sends the mails that wait.

mod actor;
mod handle;
mod messages;

pub use handle::{MailerHandle, MailerPorts, MailerStatus};

/// The lease of whoever sends.
pub const LEASE_NAME: &str = "mailer";
