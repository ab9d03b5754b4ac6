//! The SQL adapter over MySQL: the same suites as over SQLite, and races between replicas.

use std::sync::Arc;

use watchme_actors::testing::SqlPorts;

use crate::support::mysql::TestDatabase;

async fn fresh() -> Option<SqlPorts> {
    let database = TestDatabase::fresh().await?;
    let store = Arc::new(database.store().await);
    Some(SqlPorts {
        accounts: store.clone(),
        packages: store.clone(),
        subscriptions: store.clone(),
        watch_log: store.clone(),
        outbox: store.clone(),
        dead_letters: store.clone(),
        lease: store,
        keep: Box::new(database),
    })
}

mod accounts {
    watchme_actors::accounts_contract!(super::fresh);
}
mod packages {
    watchme_actors::packages_contract!(super::fresh);
}
mod subscriptions {
    watchme_actors::subscriptions_contract!(super::fresh);
}
mod watch_log {
    watchme_actors::watch_log_contract!(super::fresh);
}
mod outbox {
    watchme_actors::outbox_contract!(super::fresh);
}
mod leases {
    watchme_actors::leases_contract!(super::fresh);
}
