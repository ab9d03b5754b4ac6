//! Carrying events: in process, where one process is all there is, or by NATS with JetStream.

mod changes;
mod in_process;
pub mod jetstream;
mod traced;
mod views;

pub use changes::InProcessChanges;
pub use in_process::InProcessBus;
pub use jetstream::{Nats, NatsBus, NatsChanges, NatsError, NatsSettings, NatsViews};
pub use traced::{Destination, TracedBus};
pub use views::InProcessViews;
