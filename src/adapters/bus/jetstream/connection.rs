//! One connection for everything, which comes back by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions,
    connection::State,
    jetstream::{Context, context::ContextBuilder},
};
use percent_encoding::percent_decode_str;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};
use watchme_actors::ports::BusError;

use super::{
    declared::Declarations,
    names::{Names, WATCH_SUBJECTS},
    notes::Notes,
    settings::{NatsError, NatsSettings},
};
use crate::adapters::bus::Destination;

/// A connection on which this many pings in a row find no answer (three) is given up: a swallowed
/// one is noticed within 4.5 s.
const PING_EVERY: Duration = Duration::from_millis(1_500);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// What is published and not acknowledged by then counts as failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long those wait who cannot do without a connection. Short: a partition is held meanwhile
/// that another replica, which has one, could take.
const REACHED_WITHIN: Duration = Duration::from_millis(1_500);
/// A state that nobody told of is looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The connection to NATS. Clones share it.
#[derive(Clone)]
pub struct Nats {
    pub(super) client: Client,
    pub(super) jetstream: Context,
    pub(super) names: Arc<Names>,
    pub(super) declared: Arc<Declarations>,
    /// Where this was made: answers are dropped on threads that have no runtime.
    pub(super) runtime: Handle,
    /// The first one that was named.
    server: Option<(String, u16)>,
    events: watch::Receiver<u64>,
    overflows: Arc<AtomicU64>,
}

impl Nats {
    /// Connects, or comes back at once with a connection that is made as soon as NATS is there.
    /// Streams and consumers are declared at every connection. To be called within a tokio
    /// runtime, which does the work from then on.
    ///
    /// # Errors
    /// When the settings cannot work; never because NATS is away.
    pub async fn connect(settings: &NatsSettings) -> Result<Self, NatsError> {
        // Two providers are linked in, and the client takes the default one. Somebody may have
        // chosen it before.
        let _ = async_nats::rustls::crypto::ring::default_provider().install_default();
        let (happened, events) = watch::channel(0_u64);
        let overflows = Arc::new(AtomicU64::new(0));
        let notes = Notes::new(Arc::clone(&overflows));
        let options = options(settings).await?.event_callback(move |event| {
            notes.take(&event);
            happened.send_modify(|count| *count += 1);
            async {}
        });
        let client = options
            .connect(settings.places())
            .await
            .map_err(|error| NatsError::Client(error.to_string()))?;
        let names = Arc::new(Names::new(settings.namespace.clone()));
        let nats = Self {
            jetstream: ContextBuilder::new().timeout(ANSWER_WITHIN).build(client.clone()),
            client,
            declared: Arc::new(Declarations::new(settings, &names)?),
            names,
            runtime: Handle::current(),
            server: settings.first(),
            events,
            overflows,
        };
        tokio::spawn(declare_at_each_connection(
            nats.jetstream.clone(),
            Arc::downgrade(&nats.declared),
            nats.events.clone(),
        ));
        Ok(nats)
    }

    /// What watch events sent over it are called in spans.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination {
            system: "nats",
            name: self.declared.watch_stream().to_owned(),
            template: Some(self.names.translated(WATCH_SUBJECTS)),
            server: self.server.clone(),
        }
    }

    /// Whether there is a connection, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Sends what is still in the client and closes the connection. Within a second or two, NATS
    /// being there or not.
    pub async fn close(&self) {
        let _ = timeout(Duration::from_secs(1), self.client.flush()).await;
        let _ = timeout(Duration::from_secs(1), self.client.drain()).await;
    }

    /// # Errors
    /// `Unavailable` when there is no connection: what would be sent would wait in the client.
    pub(super) fn connected(&self) -> Result<(), BusError> {
        if self.is_connected() { Ok(()) } else { Err(no_connection()) }
    }

    /// Waits for a connection, 1.5 s at most.
    ///
    /// # Errors
    /// `Unavailable`: there is none still.
    pub(super) async fn reached(&self) -> Result<(), BusError> {
        let connected = self.until(|| self.is_connected());
        timeout(REACHED_WITHIN, connected).await.map_err(|_| no_connection())
    }

    /// Does what needs answers, and gives it up as soon as the connection is lost on which they
    /// would come.
    ///
    /// # Errors
    /// `Unavailable`, and those of the work.
    pub(super) async fn unless_lost<T>(
        &self,
        work: impl Future<Output = Result<T, BusError>>,
    ) -> Result<T, BusError> {
        let connects = self.connects();
        tokio::select! {
            biased;
            done = work => done,
            () = self.until(|| !self.is_connected() || self.connects() != connects) => {
                Err(no_connection())
            }
        }
    }

    /// Waits until something is so about the connection.
    async fn until(&self, so: impl Fn() -> bool) {
        let mut events = self.events.clone();
        while !so() {
            if let Ok(Err(_ended)) = timeout(LOOK_EVERY, events.changed()).await {
                sleep(LOOK_EVERY).await;
            }
        }
    }

    fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// Changes whenever something may not have arrived: with every connection, and when a
    /// subscription was too slow.
    pub(super) fn generation(&self) -> u64 {
        self.connects() + self.overflows.load(Ordering::Relaxed)
    }

    /// Signalled whenever the connection changes.
    pub(super) fn events(&self) -> watch::Receiver<u64> {
        self.events.clone()
    }
}

fn no_connection() -> BusError {
    unavailable("there is no connection")
}

pub(super) fn unavailable(reason: impl ToString) -> BusError {
    BusError::Unavailable(reason.to_string())
}

async fn options(settings: &NatsSettings) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name("watchme")
        .retry_on_initial_connect()
        .connection_timeout(CONNECT_WITHIN)
        .ping_interval(PING_EVERY)
        .request_timeout(Some(ANSWER_WITHIN))
        .reconnect_delay_callback(|attempts| {
            let exponent = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
            // Many replicas lose their connection at once and should not all come back at once.
            let longest = Duration::from_millis(1_u64 << exponent);
            if attempts <= 1 {
                Duration::ZERO
            } else {
                longest.mul_f64(rand::random_range(0.5..1.0))
            }
        });
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if let Some(url) = settings.servers.iter().find(|url| !url.username().is_empty()) {
        options = match url.password() {
            Some(password) => options.user_and_password(decoded(url.username()), decoded(password)),
            None => options.token(decoded(url.username())),
        };
    }
    if let Some(file) = &settings.root_certificates {
        options = options.add_root_certificates(file.clone());
    }
    if let Some(file) = &settings.credentials {
        options = options
            .credentials_file(file)
            .await
            .map_err(|error| NatsError::Credentials(error.to_string()))?;
    }
    Ok(options)
}

/// The store may have been deleted while there was no connection.
async fn declare_at_each_connection(
    jetstream: Context,
    declared: std::sync::Weak<Declarations>,
    mut events: watch::Receiver<u64>,
) {
    let connects =
        |context: &Context| context.client().statistics().connects.load(Ordering::Relaxed);
    let mut done = 0;
    while let Some(declarations) = declared.upgrade() {
        let now = connects(&jetstream);
        let connected = jetstream.client().connection_state() == State::Connected;
        if connected && now != done {
            let epoch = declarations.epoch();
            match declarations.declare(&jetstream, epoch).await {
                Ok(()) => {
                    done = now;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "the streams on NATS could not be declared");
                    drop(declarations);
                    sleep(LOOK_EVERY).await;
                    continue;
                }
            }
        }
        drop(declarations);
        if events.changed().await.is_err() {
            return;
        }
    }
}
