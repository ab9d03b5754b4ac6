//! The streams and consumers, as `nats/` declares them.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::jetstream::{
    Context,
    consumer::{Consumer, pull},
    context::CreateStreamErrorKind,
    stream,
};
use tokio::sync::Mutex;
use watchme_actors::{domain::PARTITIONS, ports::BusError};

use super::{
    connection::unavailable,
    names::Names,
    settings::{NatsError, NatsSettings},
};

const WATCH: &str = include_str!("../../../../nats/streams/watch.json");
const DEAD: &str = include_str!("../../../../nats/streams/watch_dead.json");
const REPORT: &str = include_str!("../../../../nats/consumers/report.json");

/// What has to be there, and how often it was made.
pub(super) struct Declarations {
    watch: stream::Config,
    dead: stream::Config,
    report: Vec<pull::Config>,
    /// Counts the declarations, so that of many who miss something one makes it.
    epoch: AtomicU64,
    declaring: Mutex<()>,
}

impl Declarations {
    pub(super) fn new(settings: &NatsSettings, names: &Names) -> Result<Self, NatsError> {
        let report = |partition: u8| {
            let json = REPORT.replace("{partition}", &partition.to_string());
            let mut config: pull::Config = read(&json)?;
            config.filter_subject = names.translated(&config.filter_subject);
            Ok(config)
        };
        Ok(Self {
            watch: stream(WATCH, settings, names)?,
            dead: stream(DEAD, settings, names)?,
            report: (0..PARTITIONS).map(report).collect::<Result<_, NatsError>>()?,
            epoch: AtomicU64::new(0),
            declaring: Mutex::new(()),
        })
    }

    pub(super) fn watch_stream(&self) -> &str {
        &self.watch.name
    }

    pub(super) fn dead_stream(&self) -> &str {
        &self.dead.name
    }

    /// To be read before something is tried, and given to [`Self::declare`] when it was missing.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Creates or updates everything, unless somebody has since `seen`.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn declare(&self, jetstream: &Context, seen: u64) -> Result<(), BusError> {
        let _declaring = self.declaring.lock().await;
        if self.epoch() != seen {
            return Ok(());
        }
        for config in [&self.watch, &self.dead] {
            declare_stream(jetstream, config).await?;
        }
        for config in &self.report {
            declare_consumer(jetstream, config, &self.watch.name).await?;
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// The durable consumer of a partition.
    ///
    /// # Errors
    /// `Unavailable`, also when it is missing.
    async fn consumer(
        &self,
        jetstream: &Context,
        partition: u8,
    ) -> Result<Consumer<pull::Config>, BusError> {
        let config = self.report.get(usize::from(partition));
        let name = config.and_then(|config| config.durable_name.as_deref());
        let name = name.ok_or_else(|| unavailable(format_args!("no partition {partition}")))?;
        jetstream.get_consumer_from_stream(name, &self.watch.name).await.map_err(unavailable)
    }

    /// The same; whatever is missing is made first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn consumer_or_declare(
        &self,
        jetstream: &Context,
        partition: u8,
        seen: u64,
    ) -> Result<Consumer<pull::Config>, BusError> {
        if let Ok(durable) = self.consumer(jetstream, partition).await {
            return Ok(durable);
        }
        self.declare(jetstream, seen).await?;
        self.consumer(jetstream, partition).await
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, NatsError> {
    serde_json::from_str(json).map_err(|error| NatsError::Client(error.to_string()))
}

fn stream(json: &str, settings: &NatsSettings, names: &Names) -> Result<stream::Config, NatsError> {
    let mut config: stream::Config = read(json)?;
    config.name = names.stream(&config.name);
    for subject in &mut config.subjects {
        *subject = names.translated(subject);
    }
    config.num_replicas = settings.stream_replicas;
    config.max_bytes = settings.stream_max_bytes.unwrap_or(config.max_bytes);
    Ok(config)
}

async fn declare_stream(jetstream: &Context, config: &stream::Config) -> Result<(), BusError> {
    match jetstream.update_stream(config).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == CreateStreamErrorKind::NotFound => {
            // Another replica may be first: creating the same stream twice is no error.
            return match jetstream.create_stream(config.clone()).await {
                Ok(_) => {
                    tracing::info!(stream = config.name, "the stream was created");
                    Ok(())
                }
                Err(error) => Err(unavailable(error)),
            };
        }
        Err(error) => {
            if jetstream.get_stream(&config.name).await.is_err() {
                return Err(unavailable(error));
            }
            // A stream that an operator made differently is better than none.
            tracing::warn!(%error, stream = config.name, "the stream stays as it is");
        }
    }
    Ok(())
}

async fn declare_consumer(
    jetstream: &Context,
    config: &pull::Config,
    stream: &str,
) -> Result<(), BusError> {
    let Err(error) = jetstream.create_consumer_on_stream(config.clone(), stream).await else {
        return Ok(());
    };
    let name = config.durable_name.as_deref().unwrap_or_default();
    let there: Result<Consumer<pull::Config>, _> =
        jetstream.get_consumer_from_stream(name, stream).await;
    if there.is_err() {
        return Err(unavailable(error));
    }
    tracing::warn!(%error, consumer = name, "the consumer stays as it is");
    Ok(())
}
