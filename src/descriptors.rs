//! File descriptors: each connection takes one, and so does whatever answers it.

/// For stores, engines, logs, and requests that go out.
const RESERVE: u64 = 256;

/// How many of `wanted` connections this process may hold. Raises its soft limit on open files as
/// far as that needs and the hard one permits; says so in the log where that is less.
#[must_use]
pub(crate) fn room_for(wanted: usize) -> usize {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(RESERVE);
    let room = match rlimit::increase_nofile_limit(needed) {
        Ok(limit) => usize::try_from(limit.saturating_sub(RESERVE)).unwrap_or(usize::MAX).max(1),
        // Where there is no such limit there is nothing to keep to.
        Err(error) => {
            tracing::warn!(%error, "the limit on open files is not known");
            wanted
        }
    };
    if room < wanted {
        tracing::warn!(
            room,
            wanted,
            "fewer connections than WATCHME_CONNECTIONS: raise the limit on open files (ulimit -n)"
        );
    }
    room.min(wanted)
}
