//! Gives freed memory back to the system.
//!
//! The allocator of glibc keeps what was freed between things that were not: after a start or a
//! synchronisation that is as much as all that is in use. It gives it back when it is told to, which
//! no safe interface does: this is the only unsafe code of the workspace.

/// Gives whole pages that are free back to the system. Takes some milliseconds, during which
/// allocations in other threads wait at times. Does nothing with other allocators.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointers and may be called at any time from any thread; see malloc_trim(3).
    #[allow(unsafe_code, reason = "there is no other way to tell the allocator")]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays_as_it_is() {
        let kept: Vec<Vec<usize>> = (0..10_000).map(|n| vec![n; n % 100]).collect();
        super::give_back();
        for (n, numbers) in kept.into_iter().enumerate() {
            assert_eq!(numbers, vec![n; n % 100]);
        }
    }
}
