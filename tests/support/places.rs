//! Where a text stands in the stores of a service: in any column of any table, in any document.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use sqlx::{AnyPool, AssertSqlSafe, Row};

use super::TestApp;

/// The stores, read past the service.
pub struct Places {
    /// Accounts, marks and the outbox.
    pub sql: AnyPool,
    documents: Documents,
    is_mysql: bool,
}

enum Documents {
    Sqlite(AnyPool),
    Mongo(mongodb::Database),
}

async fn open(url: &str) -> AnyPool {
    sqlx::any::install_default_drivers();
    AnyPool::connect(url).await.unwrap()
}

impl Places {
    /// Those of a service under test.
    pub async fn of(app: &TestApp) -> Self {
        Self::open(app, "ro").await
    }

    /// The same, to change what the service has stored.
    pub async fn of_writable(app: &TestApp) -> Self {
        Self::open(app, "rw").await
    }

    async fn open(app: &TestApp, mode: &str) -> Self {
        let Some(backend) = app.backend() else {
            let file = |name| format!("sqlite://{}?mode={mode}", app.folder().join(name).display());
            return Self {
                sql: open(&file("watchme.db")).await,
                documents: Documents::Sqlite(open(&file("documents.db")).await),
                is_mysql: false,
            };
        };
        let settings = backend.settings();
        let setting = |wanted: &str| {
            settings.iter().find(|(name, _)| *name == wanted).expect("it is set").1.as_str()
        };
        let client = mongodb::Client::with_uri_str(setting("MONGODB_URL")).await.unwrap();
        Self {
            sql: open(setting("DATABASE_URL")).await,
            documents: Documents::Mongo(client.default_database().expect("the URL names it")),
            is_mysql: true,
        }
    }

    /// `table.column`s of SQL.
    pub async fn in_sql(&self, text: &str) -> Vec<String> {
        columns_with(&self.sql, self.is_mysql, text).await
    }

    /// `table.column`s or collections of the documents.
    pub async fn in_documents(&self, text: &str) -> Vec<String> {
        let database = match &self.documents {
            Documents::Sqlite(pool) => return columns_with(pool, false, text).await,
            Documents::Mongo(database) => database,
        };
        let mut found = Vec::new();
        for name in database.list_collection_names().await.unwrap() {
            let mut documents = database.collection::<Document>(&name).find(doc! {}).await.unwrap();
            while let Some(document) = documents.try_next().await.unwrap() {
                if document.to_string().contains(text) {
                    found.push(name.clone());
                    break;
                }
            }
        }
        found
    }
}

async fn columns_with(pool: &AnyPool, is_mysql: bool, text: &str) -> Vec<String> {
    let columns = if is_mysql {
        "SELECT CAST(table_name AS CHAR) AS t, CAST(column_name AS CHAR) AS c
         FROM information_schema.columns WHERE table_schema = DATABASE()"
    } else {
        "SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c
         WHERE m.type = 'table'"
    };
    let (quote, word) = if is_mysql { ('`', "CHAR") } else { ('"', "TEXT") };
    let mut found = Vec::new();
    for row in sqlx::query(columns).fetch_all(pool).await.unwrap() {
        let (table, column): (String, String) = (row.get("t"), row.get("c"));
        let query = format!(
            "SELECT COUNT(*) FROM {quote}{table}{quote}
             WHERE instr(CAST({quote}{column}{quote} AS {word}), ?) > 0"
        );
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(query))
            .bind(text.to_owned())
            .fetch_one(pool)
            .await
            .unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}
