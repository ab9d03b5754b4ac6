//! The answer to a delivery.

use std::{sync::Arc, time::Duration};

use async_nats::Subject;
use async_trait::async_trait;
use bytes::Bytes;
use watchme_actors::ports::{Acknowledge, BusError};

use super::{
    connection::{Nats, unavailable},
    originals::InHand,
    returns::Returns,
};

const ACK: Bytes = Bytes::from_static(b"+ACK");
const PATIENCE: Duration = Duration::from_secs(1);

/// Acknowledges, or gives back when it is dropped. An acknowledgement that is lost on the way lets
/// the event come again, which whoever receives it has to bear anyway: so it is not waited for.
pub(super) struct Receipt {
    pub(super) nats: Nats,
    pub(super) returns: Arc<Returns>,
    pub(super) sequence: u64,
    /// `None` once it was acknowledged.
    pub(super) reply: Option<Subject>,
    pub(super) _original: InHand,
}

#[async_trait]
impl Acknowledge for Receipt {
    async fn acknowledge(mut self: Box<Self>) -> Result<(), BusError> {
        self.nats.connected()?;
        let Some(reply) = self.reply.clone() else { return Ok(()) };
        tokio::time::timeout(PATIENCE, self.nats.client.publish(reply, ACK))
            .await
            .map_err(unavailable)?
            .map_err(unavailable)?;
        self.reply = None;
        Ok(())
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        self.returns.put(self.sequence, reply);
        let (returns, nats) = (Arc::clone(&self.returns), self.nats.clone());
        self.nats.runtime.spawn(async move { returns.flush(&nats).await });
    }
}
