//! What another process uses.

use std::{io, time::Duration};

/// The time of a core that a process has used since its start, by itself and by the system for it, to
/// a hundredth of a second.
#[cfg(target_os = "linux")]
pub(crate) fn cpu(pid: u32) -> io::Result<Duration> {
    let stat = of(pid)?.stat().map_err(io::Error::other)?;
    let ticks = (stat.utime + stat.stime) as f64;
    Ok(Duration::from_secs_f64(ticks / procfs::ticks_per_second() as f64))
}

/// The memory that a process has in use, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn memory(pid: u32) -> io::Result<u64> {
    let status = of(pid)?.status().map_err(io::Error::other)?;
    Ok(status.vmrss.unwrap_or_default() * 1024)
}

#[cfg(target_os = "linux")]
fn of(pid: u32) -> io::Result<procfs::process::Process> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    procfs::process::Process::new(pid).map_err(io::Error::other)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu(_: u32) -> io::Result<Duration> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "a benchmark needs Linux's /proc"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn memory(_: u32) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "a benchmark needs Linux's /proc"))
}
