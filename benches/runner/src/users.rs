//! The accounts of the benchmark. Everything about them follows from their number, so that they can
//! be seeded by SQL and sign themselves in.

use uuid::Uuid;
use watchme_floor::tokens::Signer;

use crate::{
    error::{BenchError, Outcome},
    server::SECRET,
};

/// What every account has.
pub(crate) const PASSWORD: &str = "a benchmark's pass phrase";
/// What identifiers of accounts and of their sessions begin with; the number follows, in twelve
/// hexadecimal digits.
pub(crate) const USER_IDS: &str = "01900000-0000-7000-8000-";
pub(crate) const SESSION_IDS: &str = "01900000-0000-7000-9000-";

/// An account that is signed in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) token: String,
}

/// The accounts of these numbers, signed in.
pub(crate) fn users(numbers: impl IntoIterator<Item = u32>) -> Outcome<Vec<User>> {
    let signer = Signer::new(SECRET);
    numbers
        .into_iter()
        .map(|number| {
            let id = format!("{USER_IDS}{number:012x}");
            let session = format!("{SESSION_IDS}{number:012x}");
            let token = signer
                .sign(uuid(&id)?, uuid(&session)?)
                .map_err(|error| BenchError::unexpected(error.to_string()))?;
            Ok(User { id, email: email(number), token })
        })
        .collect()
}

/// The address of an account.
pub(crate) fn email(number: u32) -> String {
    format!("user{number}@bench.example")
}

fn uuid(text: &str) -> Outcome<Uuid> {
    text.parse().map_err(|_| BenchError::unexpected(format!("{text} is no UUID")))
}
