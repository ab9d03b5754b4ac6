//! The bus that the settings name.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use watchme_actors::ports::{ChangeFeed, DeadLetters, EventBus, ViewFeed};

use super::AppError;
use crate::{
    adapters::{
        bus::{
            Destination, InProcessBus, InProcessChanges, InProcessViews, Nats, NatsBus,
            NatsChanges, NatsSettings, NatsViews, TracedBus,
        },
        sql::SqlStore,
    },
    config::{Config, NatsConfig},
    telemetry::Traces,
};

/// For a command, which has to have the bus now.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ports that the bus serves.
#[derive(Clone)]
pub(super) struct Bus {
    pub(super) events: Arc<dyn EventBus>,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) changes: Arc<dyn ChangeFeed>,
    pub(super) views: Arc<dyn ViewFeed>,
    nats: Option<Nats>,
}

impl Bus {
    /// Connects. NATS may be away: it is looked for from then on.
    pub(super) async fn open(
        config: &Config,
        sql: &SqlStore,
        traces: Option<&Traces>,
    ) -> Result<Self, AppError> {
        let Some(nats) = &config.nats else {
            let events = Arc::new(InProcessBus::new(Arc::new(sql.clone())));
            return Ok(Self {
                events: traced(events, traces, Destination::in_process),
                dead_letters: Arc::new(sql.clone()),
                changes: Arc::new(InProcessChanges::default()),
                views: Arc::new(InProcessViews::default()),
                nats: None,
            });
        };
        let nats = Nats::connect(&settings(nats)?).await?;
        let bus = Arc::new(NatsBus::new(&nats));
        Ok(Self {
            events: traced(bus.clone(), traces, || nats.destination()),
            dead_letters: bus,
            changes: Arc::new(NatsChanges::start(&nats).await?),
            views: Arc::new(NatsViews::start(&nats)),
            nats: Some(nats),
        })
    }

    /// Waits a moment for the bus to be reached, with its streams, for whoever cannot wait for long;
    /// whether it was.
    pub(super) async fn reached(&self) -> bool {
        let reached = async {
            while self.events.check().await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, reached).await.is_ok()
    }

    pub(super) async fn close(&self) {
        self.events.close().await;
        if let Some(nats) = &self.nats {
            nats.close().await;
        }
    }
}

fn traced(
    bus: Arc<dyn EventBus>,
    traces: Option<&Traces>,
    destination: impl FnOnce() -> Destination,
) -> Arc<dyn EventBus> {
    match traces {
        Some(traces) => Arc::new(TracedBus::new(bus, destination(), traces.clone())),
        None => bus,
    }
}

fn settings(config: &NatsConfig) -> Result<NatsSettings, AppError> {
    let setting = |reason| AppError::Setting { variable: "WATCHME_NATS_NAMESPACE", reason };
    Ok(NatsSettings {
        namespace: config.namespace.parse().map_err(setting)?,
        credentials: config.credentials.clone(),
        root_certificates: config.root_certificates.clone(),
        stream_replicas: config.replicas,
        stream_max_bytes: config.max_bytes,
        ..NatsSettings::new(config.url.expose())?
    })
}
