//! Large stores, made by SQL while the service is stopped: what a million requests would make.

mod films;
mod users;

use std::{fs, io, path::Path};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::runtime::{Builder, Runtime};

pub(crate) use films::films;
pub(crate) use users::{Accounts, accounts};

use crate::error::Outcome;

/// Kibibytes of cache for a file that is being filled.
const CACHE: &str = "PRAGMA cache_size = -1000000";

/// A SQLite file that is being filled.
struct File {
    runtime: Runtime,
    connection: SqliteConnection,
}

impl File {
    fn open(path: &Path) -> Outcome<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await?;
            sqlx::raw_sql(CACHE).execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        })?;
        Ok(Self { runtime, connection })
    }

    /// Runs a statement with these numbers as `?1`, `?2` and so on.
    fn run(&mut self, sql: &'static str, numbers: &[i64]) -> Outcome<()> {
        let query = numbers.iter().fold(sqlx::query(sql), |query, number| query.bind(*number));
        self.runtime.block_on(query.execute(&mut self.connection))?;
        Ok(())
    }

    /// Folds the log into the file, and closes it.
    fn close(mut self) -> Outcome<()> {
        self.run("PRAGMA wal_checkpoint(TRUNCATE)", &[])?;
        self.runtime.block_on(self.connection.close())?;
        Ok(())
    }
}

/// A file for the floor with the bodies that users are sent.
pub(crate) fn rows(path: &Path, bodies: &[(String, String)]) -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE rows (user_id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
             BEGIN",
        )
        .execute(&mut connection)
        .await?;
        for (user, body) in bodies {
            sqlx::query("INSERT INTO rows (user_id, body) VALUES (?, ?)")
                .bind(user)
                .bind(body)
                .execute(&mut connection)
                .await?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
        connection.close().await
    })?;
    Ok(())
}

/// Copies the files of a data folder into an empty one.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
