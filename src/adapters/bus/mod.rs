//! Carrying events: in process, where one process is all there is.

mod changes;
mod in_process;
mod views;

pub use changes::InProcessChanges;
pub use in_process::InProcessBus;
pub use views::InProcessViews;
