//! What is measured, row by row.

mod connections;
mod curve;
mod growth;
mod logins;
mod memory;
mod overload;
mod reads;
mod start;
mod writes;

use crate::{bench::Bench, error::Outcome};

/// Something that is measured by itself.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) measure: fn(&mut Bench) -> Outcome<()>,
}

/// Every row, in the order in which they are measured.
pub(crate) const ROWS: [Row; 17] = [
    row("list", "permitted lists of ten movies", reads::list),
    row("details", "details of movies", reads::details),
    row("genres", "the list of genres", reads::genres),
    row("packages", "the list of packages", reads::packages),
    row("report", "one's own report", reads::report),
    row("mark", "marks on SQLite by 64 clients", writes::mark),
    row("mark-alone", "marks on SQLite by one client", writes::mark_alone),
    row("mark-mysql", "marks on MySQL by 64 clients", writes::mark_mysql),
    row("logins", "logins, and reads beside them", logins::logins),
    row("connections", "many connections held, 1,000 requests a second", connections::held),
    row("overload", "four times as many marks as it can take", overload::marks),
    row("start", "from start to the first answer", start::start),
    row("memory", "memory at rest, after load, after 1,000 logins", memory::memory),
    row("films", "lists of a small and a large catalogue", growth::films),
    row("history", "reports and marks with a short and a long history", growth::history),
    row("users", "reports and marks among few and many users", growth::users_many),
    row("curve", "permitted lists against connections", curve::curve),
];

const fn row(
    name: &'static str,
    what: &'static str,
    measure: fn(&mut Bench) -> Outcome<()>,
) -> Row {
    Row { name, what, measure }
}
