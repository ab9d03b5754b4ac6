//! The bus and the change feed: of a single process, and over NATS.

use std::sync::Arc;

use tempfile::TempDir;
use watchme::adapters::{
    bus::{InProcessBus, InProcessChanges, NatsBus, NatsChanges},
    sql::{SqlSettings, SqlStore},
};
use watchme_actors::testing::BusPorts;

use crate::support::nats::Installation;

async fn in_process() -> BusPorts {
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

async fn nats() -> Option<BusPorts> {
    let installation = Installation::fresh()?;
    let nats = installation.connect().await;
    Some(BusPorts {
        bus: Arc::new(NatsBus::new(&nats)),
        changes: Arc::new(NatsChanges::start(&nats).await.unwrap()),
        keep: Box::new(installation),
    })
}

mod events {
    watchme_actors::bus_contract!(super::in_process);
}
mod changes {
    watchme_actors::changes_contract!(super::in_process);
}
mod nats_events {
    watchme_actors::bus_contract!(super::nats);
}
mod nats_changes {
    watchme_actors::changes_contract!(super::nats);
}
