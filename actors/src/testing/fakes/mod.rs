//! Stand-ins for ports that tests drive.

mod holdings;

pub use holdings::ScriptedHoldings;
