//! What every adapter of a port must do, as test cases that take the ports.
//!
//! Each module ends in a macro (`accounts_contract!` and so on) that makes one test per case from
//! a function which gives fresh ports, so that a new adapter runs the whole suite with one line.

pub mod accounts;
pub mod addresses;
pub mod audit;
pub mod bus;
pub mod catalogue;
pub mod changes;
pub mod genres;
pub mod leases;
pub mod mailer;
pub mod mails;
pub mod metadata;
pub mod outbox;
pub mod packages;
pub mod reports;
pub mod sessions;
mod setup;
pub mod subscriptions;
pub mod sync_log;
pub mod throttles;
pub mod trending;
pub mod watch_log;

/// Makes one test per case: `contract_cases!(module, async function giving ports, [cases])`. The
/// function may give `Option`al ports: without them, because their engine is missing, a case ends
/// at once, and it is for the function to note that it was skipped.
#[macro_export]
macro_rules! contract_cases {
    ($module:ident, $make:path, [$($case:ident),* $(,)?]) => {
        $(
            #[tokio::test]
            async fn $case() {
                let ports: Option<_> = $make().await.into();
                if let Some(ports) = ports {
                    $crate::testing::contracts::$module::$case(&ports).await;
                }
            }
        )*
    };
}
