//! Deleting what the streams keep of a user.

use async_nats::jetstream::{
    ErrorCode,
    stream::{PurgeErrorKind, RawMessageErrorKind},
};
use watchme_actors::{
    domain::{UserId, partition_of},
    ports::BusError,
};

use super::connection::{Nats, unavailable};

/// What is deleted of a user who is gone. Not `erased`: subscribers that were away have to hear it.
const OF_A_USER: [&str; 3] = ["marked", "unmarked", "updated"];

impl Nats {
    /// Deletes a user's events, but for the announcement that the account is gone, and the user's
    /// dead letters.
    ///
    /// # Errors
    /// `Unavailable`: some of it may be left.
    pub(super) async fn erase(&self, user: UserId) -> Result<(), BusError> {
        self.connected()?;
        for kind in OF_A_USER {
            self.unless_lost(self.remove(self.names.watch(kind, user))).await?;
        }
        let dead = self.names.dead(partition_of(user), Some(user));
        self.unless_lost(self.purge_dead(dead)).await
    }

    /// Deletes the watch events of a subject, one by one: purging the subject would make the server
    /// forget what consumers have in hand of other users, and it would not come again.
    async fn remove(&self, subject: String) -> Result<(), BusError> {
        let name = self.declared.watch_stream();
        let stream = self.jetstream.get_stream_no_info(name).await.map_err(unavailable)?;
        let mut next = 1;
        loop {
            let request = stream.raw_message_builder().sequence(next).next_by_subject(&subject);
            let sequence = match request.send().await {
                Ok(message) => message.sequence,
                Err(error) => {
                    return match error.kind() {
                        RawMessageErrorKind::NoMessageFound => Ok(()),
                        RawMessageErrorKind::JetStream(error) if is_missing(error.error_code()) => {
                            Ok(())
                        }
                        _ => Err(unavailable(error)),
                    };
                }
            };
            stream.delete_message(sequence).await.map_err(unavailable)?;
            next = sequence.saturating_add(1);
        }
    }

    /// Deletes the dead letters of a subject, which no consumer has in hand.
    async fn purge_dead(&self, subject: String) -> Result<(), BusError> {
        let name = self.declared.dead_stream();
        let stream = self.jetstream.get_stream_no_info(name).await.map_err(unavailable)?;
        let Err(error) = stream.purge().filter(subject).await else { return Ok(()) };
        match error.kind() {
            PurgeErrorKind::JetStream(error) if is_missing(error.error_code()) => Ok(()),
            _ => Err(unavailable(error)),
        }
    }
}

/// A stream that is missing keeps nothing of anybody.
fn is_missing(code: ErrorCode) -> bool {
    code == ErrorCode::STREAM_NOT_FOUND
}
