//! Who somebody is: passwords, access tokens, and whether the account still may.

mod gate;
mod passwords;
mod tokens;

pub use gate::AccountGate;
pub use passwords::{Password, PasswordError, Passwords};
pub use tokens::{Claims, IssuedToken, Keys, TokenError, Tokens};
