//! What runs at every request, refresh and login.

use watchme_actors::domain::SessionId;

use super::mysql::{
    Bind::{Number, Text},
    Hot, hot, sorted,
};
use crate::adapters::sql::{dialect::Dialect, sessions};

/// Sessions of MySQL's users.
pub(super) fn of_sessions() -> Vec<Hot> {
    let user = Text("01980000-0000-7000-8000-000000054321".to_owned());
    let session = Text("01980000-0000-7000-b000-000000054321".to_owned());
    let page = [user.clone(), Number(5), Number(20), Number(0)];
    let ended = sessions::deletion(SessionId::generate()).written_out().concat();
    vec![
        hot("standing", sessions::STANDING, &[session.clone(), Number(5), user.clone()]),
        hot("lock a session", sessions::rotation::lock_sql(Dialect::MySql), &[session]),
        hot("end a session", ended, &[]),
        hot("sessions", sessions::OF_USER, &page),
        hot("count sessions", sessions::COUNT, &page[..2]),
        // At most as many as one user may have.
        sorted(hot("surplus sessions", sessions::SURPLUS, &[user, Number(100)])),
    ]
}
