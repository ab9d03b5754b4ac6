//! The trace that the work under way belongs to.

use crate::domain::TraceParent;

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// Does work as part of a trace: events that it commits carry this parent.
pub async fn traced<T>(parent: TraceParent, work: impl Future<Output = T>) -> T {
    CURRENT.scope(parent, work).await
}

/// The same, where there is a trace.
pub async fn traced_if<T>(parent: Option<TraceParent>, work: impl Future<Output = T>) -> T {
    match parent {
        Some(parent) => traced(parent, work).await,
        None => work.await,
    }
}

/// The trace of the work under way; `None` outside [`traced`], and in a task that was spawned.
#[must_use]
pub fn current_trace() -> Option<TraceParent> {
    CURRENT.try_with(|parent| *parent).ok()
}
