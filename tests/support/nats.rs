//! NATS for tests: installations of their own on a shared server, and servers that can be killed.

use std::time::Duration;

use async_nats::jetstream;
use tokio::time::sleep;
use uuid::Uuid;
use watchme::adapters::bus::{Nats, NatsSettings};
use watchme_engines::{Engine, EngineError, Instance, Options};

use super::{engines, proxy::Proxy};

/// Settings of an installation that nobody else uses, on the server of the test run.
pub struct Installation {
    pub settings: NatsSettings,
}

impl Installation {
    /// `None` when the run has no NATS.
    pub fn fresh() -> Option<Self> {
        Some(Self::on(&engines::url(Engine::Nats)?))
    }

    pub fn on(url: &str) -> Self {
        let mut settings = NatsSettings::new(url).unwrap();
        let random = Uuid::new_v4().simple().to_string();
        settings.namespace = format!("t{}", &random[..12]).parse().unwrap();
        Self { settings }
    }

    pub fn url(&self) -> String {
        self.settings.servers[0].to_string()
    }

    pub fn watch_stream(&self) -> String {
        format!("{}_WATCH", self.settings.namespace.to_string().to_uppercase())
    }

    pub fn dead_stream(&self) -> String {
        format!("{}_DEAD", self.watch_stream())
    }

    /// A subject that is written for the default namespace, in this one.
    pub fn subject(&self, subject: &str) -> String {
        subject.replacen("watchme", &self.settings.namespace.to_string(), 1)
    }

    /// A connection as a replica has it, made.
    pub async fn connect(&self) -> Nats {
        let nats = Nats::connect(&self.settings).await.unwrap();
        until("NATS is connected", || nats.is_connected()).await;
        nats
    }

    /// The same installation through a proxy before its server.
    pub fn by(&self, proxy: &Proxy) -> NatsSettings {
        let servers = vec![proxy.url(&self.settings.servers[0])];
        NatsSettings { servers, ..self.settings.clone() }
    }

    /// A client that goes round the adapters.
    pub async fn raw(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let (url, streams) = (self.url(), [self.watch_stream(), self.dead_stream()]);
        // Dropping happens within a runtime that may be ending: another thread has its own.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let Ok(client) = async_nats::connect(url).await else { return };
                let context = jetstream::new(client);
                for stream in streams {
                    let _ = context.delete_stream(stream).await;
                }
            });
        });
        let _ = cleaning.join();
    }
}

/// A server of a test's own, with the configuration of the repository. Ended when dropped.
pub struct PrivateServer {
    url: String,
    // Not there only while another thread works on it.
    instance: Option<Instance>,
}

impl PrivateServer {
    /// A running one; `None` where there can be none (see [`watchme_engines::private_or_skip`]).
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with further arguments for its command line.
    pub async fn start_with(arguments: &[&str]) -> Option<Self> {
        let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        let options = Options { arguments, ..Options::default() };
        let test = engines::test();
        let start = move || watchme_engines::private_or_skip(Engine::Nats, &options, &test);
        let instance = engines::had(tokio::task::spawn_blocking(start).await.unwrap())?;
        Some(Self { url: instance.url().to_owned(), instance: Some(instance) })
    }

    /// Where it is, also while it is dead.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts it again at the same port over the same store, and waits until it is ready.
    pub async fn again(&mut self) {
        self.with(Instance::start).await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.with(Instance::kill).await;
    }

    /// Deletes the store, while the server is dead.
    pub async fn erase(&mut self) {
        self.with(Instance::erase_data).await;
    }

    /// The clients under test go on meanwhile.
    async fn with(&mut self, work: fn(&mut Instance) -> Result<(), EngineError>) {
        let mut instance = self.instance.take().unwrap();
        let working = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut instance);
            (instance, outcome)
        });
        let (instance, outcome) = working.await.unwrap();
        self.instance = Some(instance);
        outcome.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Waits until something is so, 20 s at most.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let before = tokio::time::Instant::now();
    while !so() {
        assert!(before.elapsed() < Duration::from_secs(20), "in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
