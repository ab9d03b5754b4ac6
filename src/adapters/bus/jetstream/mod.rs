//! NATS: watch events and dead letters in JetStream, changes and views over plain subjects.
//!
//! What is on the wire is described in `nats/asyncapi.yaml`, the streams and consumers in
//! `nats/streams/` and `nats/consumers/`.

mod bus;
mod changes;
mod connection;
mod consumer;
mod dead_letters;
mod declared;
mod envelope;
mod erasure;
mod names;
mod notes;
mod originals;
mod publish;
mod receipt;
mod returns;
mod settings;
mod unsent;
mod views;

pub use bus::NatsBus;
pub use changes::NatsChanges;
pub use connection::Nats;
pub use names::{
    CHANGE_SUBJECT, DEAD_SUBJECTS, HEADER_MESSAGE_ID, HEADER_REASON, HEADER_SUBJECT,
    HEARTBEAT_SUBJECTS, SOURCE, VIEWED_SUBJECTS, VIEWED_TYPE, WATCH_SUBJECTS, WATCH_TYPE,
};
pub use settings::{Namespace, NatsError, NatsSettings};
pub use views::NatsViews;
