//! One process of the service.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{
    Client,
    app::{ADMIN_EMAIL, ADMIN_PASSWORD},
    process::{Process, free_address, ready},
    proxy::Proxy,
};

/// Errors, without those that a drill is about: servers that are away, what was refused for that,
/// and events that were put aside.
const QUIET: &str =
    "error,async_nats=off,watchme::http::layers::span=off,watchme_actors::report::fold=off";
const START: Duration = Duration::from_secs(60);

/// One process of the service. Dropping it kills it.
pub struct Replica {
    process: Option<Process>,
    data: PathBuf,
    address: String,
    settings: Vec<(String, String)>,
    nats_line: Option<Proxy>,
}

impl Replica {
    /// Starts it over a data folder, with a way of its own to NATS where it uses that. Of settings
    /// with the same name the last one counts.
    pub fn spawn(data: PathBuf, settings: Vec<(String, String)>, nats_line: Option<Proxy>) -> Self {
        let common = [
            ("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL),
            ("WATCHME_ADMIN_PASSWORD", ADMIN_PASSWORD),
            ("WATCHME_ACCESS_TOKEN_TTL", "1h"),
            ("RUST_LOG", QUIET),
        ];
        let common = common.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = common.into_iter().chain(settings).collect();
        let address = free_address();
        let mut replica = Self { process: None, data, address, settings, nats_line };
        replica.start();
        replica
    }

    /// Starts it again, at the same address.
    pub fn start(&mut self) {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.process = Some(Process::start(&self.data, &self.address, &settings));
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        ready(&self.address, START).await;
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGTERM; insists on an orderly end in time.
    pub fn terminate(&mut self) {
        if let Some(process) = self.process.take() {
            let (time, clean) = process.terminate();
            assert!(clean && time < Duration::from_secs(25), "{time:?}, exit code 0: {clean}");
        }
    }

    /// Its way to NATS, which no other replica uses.
    pub fn nats_line(&self) -> &Proxy {
        self.nats_line.as_ref().expect("it runs on engines")
    }

    /// `http://127.0.0.1:port`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody, at this replica.
    pub fn client(&self) -> Client {
        Client::new(self.base())
    }

    /// The first admin, signed in here.
    pub async fn admin(&self) -> Client {
        self.client().login(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// The value of a metric that has this name and these labels; 0 when there is none.
    pub async fn metric(&self, name_and_labels: &str) -> f64 {
        let text = self.client().get("//metrics").await.text();
        text.lines()
            .find_map(|line| line.strip_prefix(name_and_labels)?.trim().parse().ok())
            .unwrap_or_default()
    }

    /// What it says of its dependencies.
    pub async fn health(&self) -> Value {
        self.client().get("//health").await.json()
    }

    /// Waits until it reaches NATS and hears of the changes of other replicas.
    pub async fn hears(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.health().await["checks"]["bus"]["status"] != "pass"
            || self.metric("watchme_changes_disconnected").await > 0.0
        {
            assert!(Instant::now() < deadline, "it is not back on NATS");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Where the addresses of several replicas begin.
pub fn bases(replicas: &[Replica]) -> Vec<String> {
    replicas.iter().map(Replica::base).collect()
}

/// A metric of several replicas, added up.
pub async fn sum<'a>(replicas: impl IntoIterator<Item = &'a Replica>, metric: &str) -> f64 {
    let mut sum = 0.0;
    for replica in replicas {
        sum += replica.metric(metric).await;
    }
    sum
}
