//! Who somebody is: passwords, tokens, and whether account and session still may.

mod gate;
mod keys;
mod passwords;
mod refresh;
mod tokens;

pub use gate::AccountGate;
pub use keys::{Keys, Purpose, Subkey, Subkeys};
pub use passwords::{Password, PasswordError, Passwords};
pub use refresh::{RefreshToken, RefreshTokens};
pub use tokens::{Claims, IssuedToken, TokenError, Tokens};
