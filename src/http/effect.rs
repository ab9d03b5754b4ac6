//! Changes that have to be carried through to their end.

use actix_web::rt;
use tracing::Instrument;
use watchme_actors::ports::{acting, current_act, current_trace, traced_if};

use super::{ErrorCode, Problem};

/// Runs a change together with everything that has to follow it (forgetting, telling others), even
/// when the client goes away in between and its handler is dropped.
pub(crate) async fn carried_through<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    let work = work.in_current_span();
    // A task that is spawned belongs to no trace and to no act by itself.
    let (trace, act) = (current_trace(), current_act());
    let ended = rt::spawn(async move {
        let work = async {
            match act {
                Some(act) => acting(act, work).await,
                None => work.await,
            }
        };
        traced_if(trace, work).await
    })
    .await;
    ended.unwrap_or_else(|_panicked| Err(Problem::of(ErrorCode::Internal)))
}
