//! Mails: how they are written, and the two ways out.

mod compose;
mod folder;
mod smtp;

pub use compose::{Composer, MailSettings};
pub use folder::FolderMailer;
pub use smtp::SmtpMailer;
