//! The service as processes of its own, on real engines or embedded, with a proxy before each
//! engine and a way past it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rand::RngExt;
use serde_json::Value;
use sqlx::{AnyPool, any::AnyPoolOptions};
use tempfile::TempDir;
use watchme::adapters::documents::{MongoDocuments, MongoSettings, SqliteDocuments};
use watchme_actors::ports::Reports;
use watchme_engines::{Engine, Instance, Options};

use crate::{
    oracle::Oracle,
    support::{
        Client,
        app::{ADMIN_EMAIL, ADMIN_PASSWORD},
        process::{Process, free_address, ready},
        proxy::Proxy,
    },
};

const JWT_SECRET: &str = "the drills' secret, of more than 32 bytes";
const START: Duration = Duration::from_secs(60);

/// Private engines, each behind a proxy.
pub struct Engines {
    pub mysql: Instance,
    pub mongodb: Instance,
    pub nats: Instance,
    pub mysql_line: Proxy,
    pub mongodb_line: Proxy,
    pub nats_line: Proxy,
}

impl Engines {
    async fn start() -> Self {
        let start = || {
            let private = |engine| watchme_engines::private(engine, &Options::default()).unwrap();
            (private(Engine::MySql), private(Engine::MongoDb), private(Engine::Nats))
        };
        let (mysql, mongodb, nats) = tokio::task::spawn_blocking(start).await.unwrap();
        Self {
            mysql_line: Proxy::before(mysql.port()).await,
            mongodb_line: Proxy::before(mongodb.port()).await,
            nats_line: Proxy::before(nats.port()).await,
            mysql,
            mongodb,
            nats,
        }
    }
}

/// Where the service keeps things.
pub enum Stores {
    /// In one data folder.
    Embedded,
    /// On engines.
    Engines(Box<Engines>),
}

/// One drill's world. Dropping it ends everything.
pub struct World {
    pub stores: Stores,
    /// SQL, past the proxy.
    pub sql: AnyPool,
    /// Projections, past the proxy.
    pub reports: Arc<dyn Reports>,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

impl World {
    /// Everything in one data folder, for one replica. The stores are made by a start that this
    /// waits for.
    pub async fn embedded() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("0");
        let mut first = Replica::spawn(data.clone(), free_address(), common_settings(&[]));
        first.ready().await;
        first.terminate();
        let sql = pool(&format!("sqlite://{}", data.join("watchme.db").display())).await;
        let reports = SqliteDocuments::open(&data.join("documents.db")).await.unwrap();
        Self {
            stores: Stores::Embedded,
            sql,
            reports: Arc::new(reports),
            settings: Vec::new(),
            folder,
        }
    }

    /// Private engines, with a database that is migrated.
    pub async fn engines() -> Self {
        Self::engines_with(&[]).await
    }

    /// The same, with settings for every replica.
    pub async fn engines_with(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let engines = Engines::start().await;
        let server = format!("mysql://root@127.0.0.1:{}", engines.mysql.port());
        let admin = pool(&format!("{server}/mysql")).await;
        sqlx::query("CREATE DATABASE watchme").execute(&admin).await.unwrap();
        admin.close().await;
        let documents = format!("mongodb://127.0.0.1:{}/watchme", engines.mongodb.port());
        let reports = MongoDocuments::open(&MongoSettings::new(&documents)).await.unwrap();
        let lines = [
            (
                "DATABASE_URL",
                format!("mysql://root@127.0.0.1:{}/watchme", engines.mysql_line.port()),
            ),
            ("MONGODB_URL", format!("mongodb://127.0.0.1:{}/watchme", engines.mongodb_line.port())),
            ("NATS_URL", format!("nats://127.0.0.1:{}", engines.nats_line.port())),
            ("JWT_SECRET", JWT_SECRET.to_owned()),
        ];
        let own = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            sql: pool(&format!("{server}/watchme")).await,
            stores: Stores::Engines(Box::new(engines)),
            reports: Arc::new(reports),
            settings: lines
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .chain(own)
                .collect(),
            folder,
        }
    }

    /// The engines, for a drill that runs on them.
    pub fn on_engines(&mut self) -> &mut Engines {
        match &mut self.stores {
            Stores::Engines(engines) => engines,
            Stores::Embedded => panic!("this world is embedded"),
        }
    }

    /// Starts replicas and waits until they are ready.
    pub async fn replicas(&self, number: usize) -> Vec<Replica> {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut replicas: Vec<Replica> = (0..number)
            .map(|number| {
                let data = self.folder.path().join(number.to_string());
                Replica::spawn(data, free_address(), common_settings(&settings))
            })
            .collect();
        for replica in &mut replicas {
            replica.ready().await;
        }
        replicas
    }

    /// What a command of the service prints, run on these engines.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_watchme"))
            .args(arguments)
            .env_clear()
            .envs(self.settings.iter().cloned())
            .env("WATCHME_DATA_DIR", self.folder.path().join("command"))
            .env("RUST_LOG", "warn")
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{errors}");
        text
    }

    /// The truth.
    pub fn oracle(&self) -> Oracle<'_> {
        Oracle { sql: &self.sql, reports: &*self.reports }
    }

    /// Events that are not published.
    pub async fn backlog(&self) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE state = 0")
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }
}

async fn pool(url: &str) -> AnyPool {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new().max_connections(4).connect(url).await.unwrap()
}

fn common_settings(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    [
        ("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL),
        ("WATCHME_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ("WATCHME_ACCESS_TOKEN_TTL", "1h"),
    ]
    .iter()
    .chain(settings)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect()
}

/// One process of the service.
pub struct Replica {
    process: Option<Process>,
    data: PathBuf,
    address: String,
    settings: Vec<(String, String)>,
}

impl Replica {
    fn spawn(data: PathBuf, address: String, settings: Vec<(String, String)>) -> Self {
        let mut replica = Self { process: None, data, address, settings };
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

    /// `http://127.0.0.1:port`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody, at this replica.
    pub fn client(&self) -> Client {
        Client::new(self.base())
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
}

/// Where the addresses of several replicas begin.
pub fn bases(replicas: &[Replica]) -> Vec<String> {
    replicas.iter().map(Replica::base).collect()
}

/// A seed, printed so that a drill can be told apart from its repetition.
pub fn seed() -> u64 {
    let seed = rand::rng().random();
    println!("  seed {seed}");
    seed
}
