//! Databases on the MySQL server that the environment names.
//!
//! Making tables takes a server longer than most cases do. So a database goes back when its case is
//! done, the next case finds it empty again, and the last case that has one drops them all.

use std::{
    sync::{Arc, Mutex, Weak},
    thread,
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use url::Url;
use uuid::Uuid;
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_engines::Engine;

use super::engines;

static SHARED: Mutex<Weak<Databases>> = Mutex::new(Weak::new());

struct Databases {
    server: Url,
    made: Mutex<Vec<String>>,
    free: Mutex<Vec<String>>,
}

/// A database with every table and no row, for as long as this lives.
pub struct TestDatabase {
    name: String,
    databases: Arc<Databases>,
}

impl TestDatabase {
    /// A database; `None` without a server (see [`engines::url`]).
    pub async fn fresh() -> Option<Self> {
        let server: Url = engines::url(Engine::MySql)?.parse().unwrap();
        sqlx::any::install_default_drivers();
        let databases = {
            let mut shared = SHARED.lock().unwrap();
            shared.upgrade().unwrap_or_else(|| {
                let (made, free) = Default::default();
                let databases = Arc::new(Databases { server, made, free });
                *shared = Arc::downgrade(&databases);
                databases
            })
        };
        let free = databases.free.lock().unwrap().pop();
        let database = match free {
            Some(name) => Self { name, databases },
            None => Self::make(databases).await,
        };
        database.empty().await;
        Some(database)
    }

    async fn make(databases: Arc<Databases>) -> Self {
        let name = format!("watchme_test_{}", Uuid::new_v4().simple());
        databases.made.lock().unwrap().push(name.clone());
        execute(&databases.server, &format!("CREATE DATABASE {name}")).await;
        let database = Self { name, databases };
        let store = SqlStore::open(&database.settings()).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        database
    }

    async fn empty(&self) {
        let url = self.url();
        let mut connection = AnyConnection::connect(url.as_str()).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name AS name FROM information_schema.tables
             WHERE table_schema = DATABASE() AND table_name <> '_sqlx_migrations'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let mut statements = String::from("SET foreign_key_checks = 0;");
        for table in tables {
            statements.push_str(&format!("DELETE FROM {table};"));
        }
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Where it is, with the user and the password.
    pub fn url(&self) -> Url {
        let mut url = self.databases.server.clone();
        url.set_path(&self.name);
        url
    }

    /// How the service reaches it.
    pub fn settings(&self) -> SqlSettings {
        SqlSettings::new(self.url())
    }

    /// Another store over it, as another replica has one.
    pub async fn store(&self) -> SqlStore {
        SqlStore::open(&self.settings()).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.databases.free.lock().unwrap().push(self.name.clone());
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let made = std::mem::take(self.made.get_mut().unwrap());
        let server = self.server.clone();
        // A thread of its own: this one may be inside of a runtime.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                for name in made {
                    execute(&server, &format!("DROP DATABASE IF EXISTS {name}")).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

async fn execute(server: &Url, statement: &str) {
    let mut connection = AnyConnection::connect(server.as_str()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
