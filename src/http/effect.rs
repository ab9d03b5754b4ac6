//! Changes that have to be carried through to their end.

use actix_web::rt;
use tracing::Instrument;

use super::{ErrorCode, Problem};

/// Runs a change together with everything that has to follow it (forgetting, telling others), even
/// when the client goes away in between and its handler is dropped.
pub(crate) async fn carried_through<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    let ended = rt::spawn(work.in_current_span()).await;
    ended.unwrap_or_else(|_panicked| Err(Problem::of(ErrorCode::Internal)))
}
