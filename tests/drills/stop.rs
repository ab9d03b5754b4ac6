//! SIGTERM under load: no request that was accepted is cut off, and the exit is clean.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use crate::{size::Size, world::World};

/// Again and again in one data folder.
pub async fn in_order(size: Size) -> String {
    let rounds = size.pick(3, 20);
    let world = World::embedded().await;
    let mut replica = world.replicas(1).await.remove(0);
    let mut all = 0;
    for round in 0..rounds {
        let admin = replica.admin().await;
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
        tokio::task::block_in_place(|| replica.terminate());
        for client in load {
            client.await.unwrap();
        }
        let answered = answered.load(Ordering::Relaxed);
        assert!(answered > 50, "{answered} answers in round {round}");
        all += answered;
        replica.start();
        replica.ready().await;
    }
    format!("{rounds} orderly stops under load, {all} requests answered, none cut off")
}
