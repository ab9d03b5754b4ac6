//! Where MongoDB is and how patient its callers are.

use std::{fmt, time::Duration};

use mongodb::{
    error::Result,
    options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern},
};

/// The connections that one replica keeps, unless it is told otherwise.
const POOL: u32 = 32;
/// The database of a URL whose path names none.
const DATABASE: &str = "watchme";

/// How to reach MongoDB. What the URL says itself (`maxPoolSize`, `serverSelectionTimeoutMS`,
/// `connectTimeoutMS`, `w`, `readConcernLevel`, `tls`, …) counts more than what stands here; TLS
/// and accounts are named there only (`tls=true&tlsCAFile=…`). The account needs the roles
/// `readWrite` and `dbAdmin` on the database. No option makes a caller wait longer than half of
/// `operation_timeout` for a connection and `operation_timeout` for the answer.
#[derive(Clone)]
pub struct MongoSettings {
    /// `mongodb://` or `mongodb+srv://`; its path names the database, `watchme` if it is empty.
    pub url: String,
    /// Connections, and calls under way at once, at least 1.
    pub pool: u32,
    /// How long the driver looks for a server that can take a call.
    pub server_selection_timeout: Duration,
    /// How long opening a connection may take, and the whole of one attempt to find the server
    /// again after it was lost.
    pub connect_timeout: Duration,
    /// How long a call waits for its answer at most, whatever the server does; half of it is what
    /// it may wait for a connection before that, while all are in use.
    pub operation_timeout: Duration,
}

impl MongoSettings {
    /// This server, with 32 connections and 2 s for everything.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let patience = Duration::from_secs(2);
        Self {
            url: url.into(),
            pool: POOL,
            server_selection_timeout: patience,
            connect_timeout: patience,
            operation_timeout: patience,
        }
    }

    pub(super) fn permits(&self) -> u32 {
        self.pool.max(1)
    }

    /// What the server is told to spend on one call: less than the caller waits, so that a slow
    /// answer can be told from a server that is away.
    pub(super) fn server_time(&self) -> Duration {
        self.operation_timeout * 3 / 4
    }

    /// What the driver is given, and the name of the database. May ask DNS.
    pub(super) async fn resolve(&self) -> Result<(ClientOptions, String)> {
        let mut options = ClientOptions::parse(&self.url).await?;
        options.app_name.get_or_insert_with(|| "watchme".to_owned());
        options.max_pool_size.get_or_insert(self.permits());
        options.server_selection_timeout.get_or_insert(self.server_selection_timeout);
        options.connect_timeout.get_or_insert(self.connect_timeout);
        options.retry_writes.get_or_insert(true);
        options.retry_reads.get_or_insert(true);
        options.read_concern.get_or_insert_with(ReadConcern::majority);
        options
            .selection_criteria
            .get_or_insert(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let concern = options.write_concern.get_or_insert_with(WriteConcern::majority);
        concern.w_timeout.get_or_insert(self.server_time());
        let name = options.default_database.clone().filter(|name| !name.is_empty());
        Ok((options, name.unwrap_or_else(|| DATABASE.to_owned())))
    }
}

// The URL holds a password.
impl fmt::Debug for MongoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoSettings")
            .field("pool", &self.pool)
            .field("server_selection_timeout", &self.server_selection_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    async fn resolved(url: &str) -> (ClientOptions, String) {
        MongoSettings::new(url).resolve().await.unwrap()
    }

    #[tokio::test]
    async fn what_the_url_does_not_say_is_strict_and_bounded() {
        let (options, database) = resolved("mongodb://host").await;
        let two = Some(Duration::from_secs(2));
        assert_eq!(database, "watchme");
        assert_eq!((options.connect_timeout, options.server_selection_timeout), (two, two));
        assert_eq!((options.max_pool_size, options.retry_writes), (Some(32), Some(true)));
        let concern = options.write_concern.unwrap();
        assert_eq!(concern.w, WriteConcern::majority().w);
        assert!(concern.w_timeout < two, "it would count as away");
        assert_eq!(options.read_concern, Some(ReadConcern::majority()));
    }

    #[tokio::test]
    async fn what_the_url_says_counts_more() {
        let (options, database) = resolved(
            "mongodb://a:b@one,two:27018/films?maxPoolSize=3&connectTimeoutMS=100&w=1&wtimeoutMS=9\
             &serverSelectionTimeoutMS=50&retryWrites=false&readConcernLevel=local&tls=true\
             &readPreference=secondary&authSource=admin&replicaSet=rs",
        )
        .await;
        assert_eq!((database.as_str(), options.hosts.len()), ("films", 2));
        assert_eq!((options.max_pool_size, options.retry_writes), (Some(3), Some(false)));
        assert_eq!(options.connect_timeout, Some(Duration::from_millis(100)));
        assert_eq!(options.server_selection_timeout, Some(Duration::from_millis(50)));
        let concern = options.write_concern.clone().unwrap();
        assert_eq!(
            (concern.w, concern.w_timeout),
            (Some(1.into()), Some(Duration::from_millis(9)))
        );
        assert_eq!(options.read_concern, Some(ReadConcern::local()));
        assert!(options.tls.is_some());
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        assert_ne!(options.selection_criteria, Some(primary));
    }
}
