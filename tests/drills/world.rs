//! The service as processes of its own, on real engines or embedded, with a proxy before each
//! engine and a way past it.

use std::sync::Arc;

use rand::RngExt;
use sqlx::{AnyPool, any::AnyPoolOptions};
use tempfile::TempDir;
use url::Url;
use watchme::adapters::documents::{MongoDocuments, MongoSettings, SqliteDocuments};
use watchme_actors::ports::Reports;
use watchme_engines::{Engine, Instance, Options};

use crate::{
    bus::Bus,
    oracle::Oracle,
    replica::Replica,
    support::{proxy::Proxy, unthrottled::UNTHROTTLED},
};

const JWT_SECRET: &str = "the drills' secret, of more than 32 bytes";
/// Of the service in MySQL and in MongoDB.
const DATABASE: &str = "watchme";

/// Private engines. All replicas share the lines to SQL and to the documents; each has a line of its
/// own to NATS ([`Replica::nats_line`]).
pub struct Engines {
    pub mysql: Instance,
    pub mongodb: Instance,
    pub nats: Instance,
    pub mysql_line: Proxy,
    pub mongodb_line: Proxy,
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
            mysql,
            mongodb,
            nats,
        }
    }
}

/// A server's URL with all that it says, and the name of a database.
fn database_of(server: &Instance, name: &str) -> Url {
    let mut url = url_of(server);
    url.set_path(name);
    url
}

fn url_of(server: &Instance) -> Url {
    server.url().parse().expect("an engine has a URL")
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
        let mut first = Replica::spawn(data.clone(), Vec::new(), None);
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

    /// Private engines, with a database that the first replica migrates.
    pub async fn engines() -> Self {
        Self::engines_with(&[]).await
    }

    /// The same, with settings for every replica.
    pub async fn engines_with(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let engines = Engines::start().await;
        let admin = pool(database_of(&engines.mysql, "mysql").as_str()).await;
        sqlx::query("CREATE DATABASE watchme").execute(&admin).await.unwrap();
        admin.close().await;
        let database = database_of(&engines.mysql, DATABASE);
        let documents = database_of(&engines.mongodb, DATABASE);
        let reports = MongoDocuments::open(&MongoSettings::new(documents.as_str())).await.unwrap();
        let lines = [
            ("DATABASE_URL", engines.mysql_line.url(&database).into()),
            ("MONGODB_URL", engines.mongodb_line.url(&documents).into()),
            ("NATS_URL", engines.nats.url().to_owned()),
            ("JWT_SECRET", JWT_SECRET.to_owned()),
        ];
        let own = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            sql: pool(database.as_str()).await,
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

    /// The service's database, past the proxy.
    pub fn database(&mut self) -> Url {
        database_of(&self.on_engines().mysql, DATABASE)
    }

    /// NATS, past the proxies.
    pub async fn bus(&mut self) -> Bus {
        Bus::connect(self.on_engines().nats.url()).await
    }

    /// Starts replicas and waits until they are ready.
    pub async fn replicas(&self, number: usize) -> Vec<Replica> {
        self.replicas_with(number, &[]).await
    }

    /// The same, with further settings.
    pub async fn replicas_with(&self, number: usize, further: &[(&str, &str)]) -> Vec<Replica> {
        let mut replicas = Vec::new();
        let further: Vec<(String, String)> =
            further.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        for number in 0..number {
            let mut settings = [self.settings.as_slice(), &further].concat();
            let nats_line = match &self.stores {
                Stores::Embedded => None,
                Stores::Engines(engines) => {
                    let line = Proxy::before(engines.nats.port()).await;
                    let url = line.url(&url_of(&engines.nats));
                    settings.push(("NATS_URL".to_owned(), url.into()));
                    Some(line)
                }
            };
            let data = self.folder.path().join(number.to_string());
            replicas.push(Replica::spawn(data, settings, nats_line));
        }
        for replica in &replicas {
            replica.ready().await;
        }
        replicas
    }

    /// What a command of the service prints, run on these engines.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_watchme"))
            .args(arguments)
            .env_clear()
            .envs(UNTHROTTLED.iter().copied())
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

/// A seed, printed so that a drill can be told apart from its repetition.
pub fn seed() -> u64 {
    let seed = rand::rng().random();
    println!("  seed {seed}");
    seed
}
