//! The bus and the change feed of a single process.

use std::sync::Arc;

use tempfile::TempDir;
use watchme::adapters::{
    bus::{InProcessBus, InProcessChanges},
    sql::{SqlSettings, SqlStore},
};
use watchme_actors::testing::BusPorts;

async fn fresh() -> BusPorts {
    let folder = TempDir::new().unwrap();
    let settings = SqlSettings::file(&folder.path().join("watchme.db")).unwrap();
    let outbox = SqlStore::open(&settings).await.unwrap();
    outbox.migrate().await.unwrap();
    BusPorts {
        bus: Arc::new(InProcessBus::new(Arc::new(outbox))),
        changes: Arc::new(InProcessChanges::default()),
        keep: Box::new(folder),
    }
}

mod events {
    watchme_actors::bus_contract!(super::fresh);
}
mod changes {
    watchme_actors::changes_contract!(super::fresh);
}
