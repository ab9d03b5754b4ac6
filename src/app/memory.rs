//! Freed memory goes back to the system.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::sleep};
use watchme_allocator::give_back;

/// What a start needs is freed by then.
const AFTER_START: Duration = Duration::from_secs(1);
/// What synchronisations, logins and bursts of requests have needed.
const EVERY: Duration = Duration::from_secs(60);

/// Gives it back now and then; never ends.
pub(super) async fn given_back() {
    sleep(AFTER_START).await;
    loop {
        // Only a panic could fail it, and there is always a next time.
        let _ = spawn_blocking(give_back).await;
        sleep(EVERY).await;
    }
}
