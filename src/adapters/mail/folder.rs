//! Mails into a folder, for whoever runs the service on their own machine.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use uuid::Uuid;
use watchme_actors::{
    domain::Mail,
    ports::{MailError, Mailer},
};

use super::Composer;
use crate::data_dir::{create_folder, write_private};

/// Writes each mail to a file of its own, in the order of their names.
#[derive(Debug)]
pub struct FolderMailer {
    folder: Arc<Path>,
    composer: Composer,
}

impl FolderMailer {
    /// Into this folder, which is made with the first mail.
    #[must_use]
    pub fn new(folder: PathBuf, composer: Composer) -> Self {
        Self { folder: folder.into(), composer }
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let content = self.composer.compose(mail)?.formatted();
        let folder = Arc::clone(&self.folder);
        let written = tokio::task::spawn_blocking(move || write(&folder, &content)).await;
        let path = written
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| MailError(format!("the folder of mails: {error}")))?;
        tracing::info!(path = %path.display(), "a mail was written");
        Ok(())
    }
}

fn write(folder: &Path, content: &[u8]) -> io::Result<PathBuf> {
    create_folder(folder)?;
    let path = folder.join(format!("{}.eml", Uuid::now_v7()));
    write_private(&path, content)?;
    Ok(path)
}
