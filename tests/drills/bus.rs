//! NATS, read and written with nothing of the service in between.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream::Stream};
use tokio::time::sleep;
use watchme_actors::domain::PARTITIONS;

/// Publishes that are on their way at once.
const AT_ONCE: usize = 256;

/// A connection. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    context: jetstream::Context,
}

impl Bus {
    /// To the server at this address.
    pub async fn connect(url: &str) -> Self {
        Self { context: jetstream::new(async_nats::connect(url).await.unwrap()) }
    }

    /// A stream that is there.
    pub async fn stream(&self, name: &str) -> Stream {
        self.context.get_stream(name).await.unwrap()
    }

    /// Publishes what no publisher would.
    pub async fn publish(&self, subject: &str, body: impl Into<bytes::Bytes>) {
        self.publish_all(&[(subject, body.into())]).await;
    }

    /// Publishes in this order, and waits until all of it is stored.
    pub async fn publish_all(&self, messages: &[(impl AsRef<str>, bytes::Bytes)]) {
        for some in messages.chunks(AT_ONCE) {
            let mut stored = Vec::new();
            for (subject, body) in some {
                let subject = subject.as_ref().to_owned();
                stored.push(self.context.publish(subject, body.clone()).await.unwrap());
            }
            for stored in stored {
                stored.await.unwrap();
            }
        }
    }

    /// Waits until every consumer has dealt with everything.
    pub async fn consumed(&self) {
        let began = Instant::now();
        let stream = self.stream("WATCH").await;
        loop {
            let mut left = 0;
            for partition in 0..PARTITIONS {
                let info = stream.consumer_info(consumer(partition)).await.unwrap();
                left += info.num_pending + info.num_ack_pending as u64;
            }
            if left == 0 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{left} events are not consumed");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the stream of events is there with something in it, and everybody who folds them.
    pub async fn is_whole(&self) -> bool {
        let Ok(mut stream) = self.context.get_stream("WATCH").await else { return false };
        for partition in 0..PARTITIONS {
            if stream.consumer_info(consumer(partition)).await.is_err() {
                return false;
            }
        }
        stream.info().await.is_ok_and(|info| info.state.messages > 0)
    }

    /// How many events were put aside.
    pub async fn buried(&self) -> u64 {
        self.stream("WATCH_DEAD").await.info().await.unwrap().state.messages
    }
}

fn consumer(partition: u8) -> String {
    format!("report-{partition}")
}
