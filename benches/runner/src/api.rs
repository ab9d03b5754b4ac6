//! A few requests by hand, to set up and to look.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::{
    error::{BenchError, Outcome},
    load::Connection,
    requests::{get, post},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who asks a server.
pub(crate) struct Api {
    runtime: Runtime,
    target: SocketAddr,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(target: SocketAddr, token: Option<String>) -> Outcome<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, target, token })
    }

    /// The body of an answer 200.
    ///
    /// # Errors
    /// `Unexpected` for any other status.
    pub(crate) fn text(&self, path: &str) -> Outcome<String> {
        self.exchange(&get(path, self.token.as_deref()), path)
    }

    /// The same as JSON; null when there is nothing.
    pub(crate) fn get(&self, path: &str) -> Outcome<Value> {
        let text = self.text(path)?;
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Posts JSON; the body of an answer 200 or 201.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        let text = self.exchange(&post(path, self.token.as_deref(), &body.to_string()), path)?;
        Ok(serde_json::from_str(&text)?)
    }

    fn exchange(&self, request: &[u8], path: &str) -> Outcome<String> {
        let exchange = async {
            let mut connection = Connection::open(self.target).await?;
            let answer = connection.exchange(request).await?;
            let body = String::from_utf8_lossy(connection.body(&answer)).into_owned();
            Ok::<_, std::io::Error>((answer.status, body))
        };
        let patient = async { timeout(PATIENCE, exchange).await };
        let (status, body) = self.runtime.block_on(patient).map_err(std::io::Error::other)??;
        match status {
            200 | 201 => Ok(body),
            _ => Err(BenchError::unexpected(format!("{path} is answered {status}: {body}"))),
        }
    }
}
