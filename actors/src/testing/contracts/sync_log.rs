//! Contract of the sync log port.

use crate::{domain::Timestamp, ports::SyncRecord, testing::DocumentPorts};

/// What was never synced has the default record.
pub async fn a_record_starts_at_its_default(ports: &DocumentPorts) {
    assert_eq!(ports.sync_log.sync_record("genres").await.unwrap(), SyncRecord::default());
}

/// A record reads back, and a later one replaces it.
pub async fn the_last_record_stays(ports: &DocumentPorts) {
    let failed = SyncRecord {
        last_success: None,
        last_failure: Some(Timestamp::from_millis(1_700_000_000_123)),
        changed: 0,
    };
    let succeeded = SyncRecord {
        last_success: Some(Timestamp::from_millis(1_700_000_060_000)),
        changed: 19,
        ..failed
    };
    for record in [failed, succeeded] {
        ports.sync_log.save_sync_record("genres", &record).await.unwrap();
        assert_eq!(ports.sync_log.sync_record("genres").await.unwrap(), record);
    }
}

/// Records of different names know nothing of each other, not even by case.
pub async fn names_are_kept_apart(ports: &DocumentPorts) {
    let record = SyncRecord { changed: 7, ..SyncRecord::default() };
    ports.sync_log.save_sync_record("catalogue:18", &record).await.unwrap();
    assert_eq!(ports.sync_log.sync_record("catalogue:18").await.unwrap(), record);
    for other in ["catalogue", "Catalogue:18", "catalogue:1"] {
        let found = ports.sync_log.sync_record(other).await.unwrap();
        assert_eq!(found, SyncRecord::default(), "{other}");
    }
}

/// One test for each case: `sync_log_contract!(async function giving ports)`.
#[macro_export]
macro_rules! sync_log_contract {
    ($make:path) => {
        $crate::contract_cases!(
            sync_log,
            $make,
            [a_record_starts_at_its_default, the_last_record_stays, names_are_kept_apart]
        );
    };
}
