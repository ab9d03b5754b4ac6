//! `watchme reports`: projecting reports from the marks.

use std::io::Write;

use watchme_actors::{
    domain::UserId,
    report::{RebuildPorts, Rebuilt, rebuild as rebuild_from_marks},
};

use super::{TaskError, TaskPorts};

pub(super) async fn rebuild(
    ports: &TaskPorts,
    user: Option<UserId>,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let work = RebuildPorts {
        reports: ports.reports.clone(),
        watch_log: ports.watch_log.clone(),
        clock: ports.clock.clone(),
    };
    let tell = |so_far: Rebuilt| tracing::info!(?so_far, "rebuilding reports");
    let Rebuilt { rebuilt, overtaken, gone, unreadable } =
        rebuild_from_marks(&work, user, tell).await?;
    match user {
        Some(user) if gone > 0 => return Err(TaskError::NoSuchUser(user)),
        Some(user) if unreadable > 0 => return Err(TaskError::Unreadable(user)),
        _ => {}
    }
    writeln!(
        out,
        "{rebuilt} reports rebuilt, {overtaken} had come further meanwhile, {gone} were of accounts that are gone, {unreadable} have marks that cannot be read"
    )?;
    Ok(())
}
