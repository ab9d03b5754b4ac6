//! NATS for tests: installations of their own on a shared server, and servers that can be killed.

use std::{
    env,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_nats::{ConnectOptions, jetstream};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use watchme::adapters::bus::{Nats, NatsSettings};

use super::engines;

/// The server that a test kills: `nats-server`, or the file that this variable names.
const SERVER: &str = "WATCHME_TEST_NATS_SERVER";

/// Settings of an installation that nobody else uses, on the server of the test run.
pub struct Installation {
    pub settings: NatsSettings,
}

impl Installation {
    /// `None` when the run has no NATS.
    pub fn fresh() -> Option<Self> {
        Some(Self::on(&engines::url(engines::NATS)?))
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

    /// The same installation over another way to its server.
    pub fn by(&self, address: std::net::SocketAddr) -> NatsSettings {
        let servers = NatsSettings::new(&address.to_string()).unwrap().servers;
        NatsSettings { servers, ..self.settings.clone() }
    }

    /// Host and port of its server.
    pub fn host(&self) -> String {
        let url = &self.settings.servers[0];
        format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(4222))
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
    program: String,
    folder: TempDir,
    port: u16,
    monitoring: u16,
    user: Option<(String, String)>,
    child: Option<Child>,
}

impl PrivateServer {
    /// A server that has not been started. `None` when there is no program.
    pub fn new() -> Option<Self> {
        let program = env::var(SERVER).ok().filter(|path| !path.is_empty());
        let program = program.unwrap_or_else(|| "nats-server".to_owned());
        if Command::new(&program).arg("--version").output().is_err() {
            engines::url(SERVER)?;
        }
        let folder = TempDir::new().unwrap();
        let (port, monitoring) = free_ports();
        Some(Self { program, folder, port, monitoring, user: None, child: None })
    }

    /// One that lets nobody in but this user.
    pub fn with_user(name: &str, password: &str) -> Option<Self> {
        let mut server = Self::new()?;
        server.user = Some((name.to_owned(), password.to_owned()));
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it, again at the same port over the same store, and waits until JetStream answers.
    pub async fn start(&mut self) {
        let child = Command::new(&self.program)
            .args(["-c", concat!(env!("CARGO_MANIFEST_DIR"), "/nats/server.conf")])
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-m", &self.monitoring.to_string()])
            .arg("-sd")
            .arg(self.folder.path().join("store"))
            .args(self.user.iter().flat_map(|(name, word)| ["--user", name, "--pass", word]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let before = Instant::now();
        loop {
            let options = match self.user.clone() {
                Some((name, password)) => ConnectOptions::with_user_and_password(name, password),
                None => ConnectOptions::new(),
            };
            if let Ok(client) = options.connect(self.url()).await
                && jetstream::new(client).query_account().await.is_ok()
            {
                return;
            }
            assert!(before.elapsed() < Duration::from_secs(20), "the server does not start");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Deletes the store, while the server is dead.
    pub fn erase(&self) {
        std::fs::remove_dir_all(self.folder.path().join("store")).unwrap();
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_ports() -> (u16, u16) {
    let [one, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    (one.local_addr().unwrap().port(), other.local_addr().unwrap().port())
}

/// Waits until something is so, 20 s at most.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let before = Instant::now();
    while !so() {
        assert!(before.elapsed() < Duration::from_secs(20), "in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
