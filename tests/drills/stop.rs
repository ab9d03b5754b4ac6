//! SIGTERM under load: no request that was accepted is cut off, and the exit is clean.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::{
    Client,
    app::{ADMIN_EMAIL, ADMIN_PASSWORD},
    process::{Process, free_address, ready},
};

#[tokio::test]
async fn sigterm_ends_the_service_in_order() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let settings =
        [("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL), ("WATCHME_ADMIN_PASSWORD", ADMIN_PASSWORD)];
    for round in 0..3 {
        let process = Process::start(folder.path(), &address, &settings);
        ready(&address, Duration::from_secs(30)).await;
        let client = Client::new(format!("http://{address}"));
        let admin = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        let stopping = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU32::new(0));
        let load: Vec<_> = (0..8)
            .map(|_| {
                let (admin, stopping, answered) =
                    (admin.clone(), Arc::clone(&stopping), Arc::clone(&answered));
                tokio::spawn(async move {
                    loop {
                        match admin.send("GET".parse().unwrap(), "/packages", &[], None).await {
                            Ok(answer) => {
                                assert_eq!(answer.status, 200, "{}", answer.text());
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            // The listener is closed, or the idle connection is.
                            Err(error) => {
                                assert!(stopping.load(Ordering::Relaxed), "{error}");
                                return;
                            }
                        }
                    }
                })
            })
            .collect();
        sleep(Duration::from_millis(300)).await;
        stopping.store(true, Ordering::Relaxed);
        let ended = tokio::task::spawn_blocking(move || process.terminate()).await.unwrap();
        for client in load {
            client.await.unwrap();
        }
        let (time, clean) = ended;
        assert!(clean, "exit code 0 in round {round}");
        assert!(time < Duration::from_secs(25), "{time:?} in round {round}");
        assert!(answered.load(Ordering::Relaxed) > 50);
    }
}
