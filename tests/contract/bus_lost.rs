//! A replica that alone has lost NATS: it is told soon, so that others can take what it holds.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tracing_subscriber::fmt::MakeWriter;
use watchme::adapters::bus::{Nats, NatsBus, NatsSettings};
use watchme_actors::{
    domain::{UserId, partition_of},
    ports::{BusError, EventBus},
};

use crate::{
    bus_jetstream::{message, published, take},
    support::{
        nats::{Installation, PrivateServer, until},
        proxy::{Line, Proxy},
    },
};

const PATIENCE: Duration = Duration::from_secs(20);
/// What five failures in a row may take, so that the lease is free within 15 s: the actor pauses
/// for 1.5 s in between.
const FIVE_FAILURES: Duration = Duration::from_millis(13_500);

/// Five failures in a row, as the ReportActor counts them, and that it goes on afterwards.
async fn given_up_and_gone_on(line: Line) {
    let Some(installation) = Installation::fresh() else { return };
    let proxy = Proxy::before_url(&installation.settings.servers[0]).await;
    let nats = Nats::connect(&installation.by(&proxy)).await.unwrap();
    until("NATS is connected", || nats.is_connected()).await;
    let bus = NatsBus::new(&nats);
    let user = UserId::generate();
    let (first, second) = (message(user, 1), message(user, 2));
    published(&bus, std::slice::from_ref(&first)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, std::slice::from_ref(&first));

    proxy.set(line);
    let before = Instant::now();
    let next = timeout(PATIENCE, consumer.next(8)).await.expect("waiting has an end");
    assert!(matches!(next, Err(BusError::Unavailable(_))), "{:?}", next.map(|all| all.len()));
    drop(consumer);
    for _ in 0..4 {
        let again = timeout(PATIENCE, bus.consume(partition_of(user))).await.unwrap();
        assert!(matches!(again, Err(BusError::Unavailable(_))));
    }
    assert!(before.elapsed() < FIVE_FAILURES, "{:?}", before.elapsed());

    proxy.set(Line::Open);
    until("NATS is connected again", || nats.is_connected()).await;
    published(&bus, std::slice::from_ref(&second)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    // The acknowledgement of the first may have been swallowed too: then it comes again.
    let mut came = take(&mut consumer, 1).await;
    if came.last() == Some(&first) {
        came = take(&mut consumer, 1).await;
    }
    assert_eq!(came.last(), Some(&second));
}

#[tokio::test]
async fn a_consumer_whose_connection_is_cut_says_so() {
    given_up_and_gone_on(Line::Cut).await;
}

#[tokio::test]
async fn a_consumer_whose_connection_swallows_everything_says_so() {
    given_up_and_gone_on(Line::Swallowed).await;
}

#[tokio::test]
async fn without_nats_a_consumer_is_refused_soon() {
    let installation = Installation::on("nats://127.0.0.1:1");
    let bus = NatsBus::new(&Nats::connect(&installation.settings).await.unwrap());
    let before = Instant::now();
    assert!(matches!(bus.consume(0).await, Err(BusError::Unavailable(_))));
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    /// Lines of a module about a refusal.
    fn refusals(&self, of: &str) -> usize {
        let told = |line: &&String| line.contains(of) && line.contains("authorization violation");
        self.lines().iter().filter(told).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_once_and_not_in_words() {
    let arguments = ["--user", "watchme", "--pass", "right-canary-2217"];
    let Some(server) = PrivateServer::start_with(&arguments).await else { return };
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let with = |password: &str| {
        let url = server.url().replace("//", &format!("//watchme:{password}@"));
        NatsSettings::new(&url).unwrap()
    };
    let nats = Nats::connect(&with("wrong-canary-8834")).await.unwrap();
    until("several attempts were refused", || log.refusals("async_nats::connector") >= 5).await;
    assert!(!nats.is_connected());
    assert_eq!(log.refusals("WARN watchme::"), 1, "{:#?}", log.lines());
    assert!(!log.lines().iter().any(|line| line.contains("canary")), "{:#?}", log.lines());

    let nats = Nats::connect(&with("right-canary-2217")).await.unwrap();
    until("the right one is taken", || nats.is_connected()).await;
}
