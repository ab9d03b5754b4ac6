//! Stand-ins for ports that tests drive.

mod bus;
mod changes;
mod clock;
mod documents;
mod documents_catalogue;
mod documents_records;
mod holdings;
mod housekeeping;
mod lease;
mod marks;
mod metadata;
mod views;

pub use bus::MemoryBus;
pub use changes::RecordingChanges;
pub use clock::DrivenClock;
pub use documents::MemoryDocuments;
pub use holdings::ScriptedHoldings;
pub use housekeeping::ScriptedHousekeeping;
pub use lease::MemoryLease;
pub use marks::ScriptedMarks;
pub use metadata::{MetadataCall, RecordedCall, ScriptedMetadata};
pub use views::MemoryViews;
