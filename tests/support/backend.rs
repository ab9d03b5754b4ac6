//! What a service under test keeps its things in: a folder, or a database, a document database and
//! a namespace of its own on the engines that `cargo xtask test` names.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU32, Ordering},
};

use mongodb::bson::{Document, doc};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use url::Url;
use watchme::adapters::bus::NatsSettings;
use watchme_engines::Engine;

use super::engines;

/// Set to `engines`, the same tests run over MySQL, MongoDB and NATS.
const ADAPTERS: &str = "WATCHME_TEST_ADAPTERS";
const JWT_SECRET: &str = "the tests' secret, of more than 32 bytes";

/// Names that are given once by this process.
static NUMBER: AtomicU32 = AtomicU32::new(1);
/// Filling a catalogue takes longer than most tests do: databases that have the demo catalogue go
/// back here, as long as any is in use.
static FILLED: Mutex<Weak<Filled>> = Mutex::new(Weak::new());

/// Databases and streams of one service under test. Dropping it deletes them.
pub struct Backend {
    databases: Databases,
    namespace: String,
    nats: String,
    /// Where the databases go back to.
    filled: Option<Arc<Filled>>,
}

/// A database in MySQL and one in MongoDB, of the same name.
#[derive(Clone)]
struct Databases {
    name: String,
    mysql: Url,
    mongodb: Url,
}

#[derive(Default)]
struct Filled {
    free: Mutex<Vec<Databases>>,
}

/// Whether the services of this run keep everything in their folder.
pub fn is_embedded() -> bool {
    std::env::var(ADAPTERS).as_deref() != Ok("engines")
}

fn url(engine: Engine) -> String {
    engines::url(engine).expect("the run over engines has them all")
}

fn name() -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("watchme-test-{}-{number}", std::process::id())
}

impl Backend {
    /// A fresh one; `None` where everything is kept in the folder.
    pub async fn fresh() -> Option<Self> {
        if is_embedded() {
            return None;
        }
        Some(Self::over(Databases::fresh().await, None))
    }

    /// A fresh one, whatever the run is over; `None` where an engine is missing, which is noted.
    pub async fn if_there() -> Option<Self> {
        for engine in Engine::ALL {
            engines::url(engine)?;
        }
        Some(Self::over(Databases::fresh().await, None))
    }

    /// One for a service with the demo catalogue, which may be there already; nothing else is.
    pub async fn for_the_demo() -> Option<Self> {
        if is_embedded() {
            return None;
        }
        let filled = {
            let mut shared = FILLED.lock().unwrap();
            shared.upgrade().unwrap_or_else(|| {
                let filled = Arc::new(Filled::default());
                *shared = Arc::downgrade(&filled);
                filled
            })
        };
        let free = filled.free.lock().unwrap().pop();
        let databases = match free {
            Some(databases) => {
                databases.empty().await;
                databases
            }
            None => Databases::fresh().await,
        };
        Some(Self::over(databases, Some(filled)))
    }

    /// Its catalogue will not be the demo's: it goes to nobody else.
    pub fn spoil(&mut self) {
        self.filled = None;
    }

    fn over(databases: Databases, filled: Option<Arc<Filled>>) -> Self {
        Self { databases, namespace: name(), nats: url(Engine::Nats), filled }
    }

    /// The settings of a service that uses it.
    pub fn settings(&self) -> [(&'static str, String); 6] {
        [
            ("DATABASE_URL", self.database().into()),
            ("MONGODB_URL", self.documents().into()),
            ("NATS_URL", self.nats.clone()),
            ("WATCHME_NATS_NAMESPACE", self.namespace.clone()),
            ("JWT_SECRET", JWT_SECRET.to_owned()),
            ("WATCHME_MAIL_FROM", "no-reply@films.example".to_owned()),
        ]
    }

    /// Its database in MySQL.
    pub fn database(&self) -> Url {
        self.databases.of(&self.databases.mysql)
    }

    /// Its database in MongoDB.
    pub fn documents(&self) -> Url {
        self.databases.of(&self.databases.mongodb)
    }

    /// Its namespace in NATS.
    pub fn nats(&self) -> NatsSettings {
        let namespace = self.namespace.parse().unwrap();
        NatsSettings { namespace, ..NatsSettings::new(&self.nats).unwrap() }
    }

    async fn delete_streams(&self) -> Result<(), Failure> {
        let nats = async_nats::jetstream::new(async_nats::connect(&self.nats).await?);
        for stream in ["WATCH", "WATCH_DEAD"] {
            let name = format!("{}_{stream}", self.namespace.to_uppercase());
            nats.delete_stream(name).await?;
        }
        Ok(())
    }
}

type Failure = Box<dyn std::error::Error>;

impl Databases {
    async fn fresh() -> Self {
        let server = |engine| Url::parse(&url(engine)).unwrap();
        let databases =
            Self { name: name(), mysql: server(Engine::MySql), mongodb: server(Engine::MongoDb) };
        let mut server = MySqlConnection::connect(databases.mysql.as_str()).await.unwrap();
        let statement = format!("CREATE DATABASE `{}`", databases.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await.unwrap();
        databases
    }

    fn of(&self, server: &Url) -> Url {
        let mut url = server.clone();
        url.set_path(&self.name);
        url
    }

    /// Deletes everything but the catalogue.
    async fn empty(&self) {
        let mut database = MySqlConnection::connect(self.of(&self.mysql).as_str()).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
             WHERE table_schema = DATABASE() AND table_name <> '_sqlx_migrations'",
        )
        .fetch_all(&mut database)
        .await
        .unwrap();
        let mut statements = String::from("SET foreign_key_checks = 0;");
        for table in tables {
            statements += &format!("DELETE FROM {table};");
        }
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut database).await.unwrap();
        let documents = mongodb::Client::with_uri_str(self.mongodb.as_str()).await.unwrap();
        let documents = documents.database(&self.name);
        for collection in ["projections", "scores"] {
            documents.collection::<Document>(collection).delete_many(doc! {}).await.unwrap();
        }
    }

    async fn delete(&self) -> Result<(), Failure> {
        let mut server = MySqlConnection::connect(self.mysql.as_str()).await?;
        let statement = format!("DROP DATABASE `{}`", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await?;
        let documents = mongodb::Client::with_uri_str(self.mongodb.as_str()).await?;
        documents.database(&self.name).drop().await?;
        Ok(())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let filled = self.filled.take();
        now(async {
            self.delete_streams().await?;
            match &filled {
                Some(filled) => filled.free.lock().unwrap().push(self.databases.clone()),
                None => self.databases.delete().await?,
            }
            Ok(())
        });
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        now(async {
            for databases in self.free.get_mut().unwrap().drain(..) {
                databases.delete().await?;
            }
            Ok(())
        });
    }
}

/// Does the work on a thread of its own: whoever drops may be inside a runtime.
fn now(work: impl Future<Output = Result<(), Failure>> + Send) {
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(work).map_err(|error| error.to_string())
        });
        if let Ok(Err(error)) = working.join() {
            eprintln!("something is left behind: {error}");
        }
    });
}
