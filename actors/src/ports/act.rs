//! Who does what is being done, and from where: what the audit log says beside the change itself.

use std::{net::IpAddr, str::FromStr};

use crate::domain::{Invalid, UserId};

/// What brings a change about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A request over HTTP.
    Request,
    /// A command of the operator's on the machine itself.
    Command,
    /// The start of the service, and what it does by itself.
    Start,
}

impl Origin {
    /// The word in the store and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Command => "command",
            Self::Start => "start",
        }
    }
}

impl FromStr for Origin {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Request, Self::Command, Self::Start]
            .into_iter()
            .find(|origin| origin.as_str() == text)
            .ok_or_else(|| {
                Invalid::new("unknown_word", "must be one of: `request`, `command`, `start`")
            })
    }
}

/// The circumstances of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What brings it about.
    pub origin: Origin,
    /// Who is signed in.
    pub actor: Option<UserId>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request's id; at most 128 characters.
    pub request_id: Option<String>,
}

impl Act {
    /// What the service, or the operator on the machine itself, does.
    #[must_use]
    pub fn of(origin: Origin) -> Self {
        Self { origin, actor: None, address: None, request_id: None }
    }
}

tokio::task_local! {
    static CURRENT: Act;
}

/// Does work under these circumstances: changes that it makes are put down to them.
pub async fn acting<T>(act: Act, work: impl Future<Output = T>) -> T {
    CURRENT.scope(act, work).await
}

/// Puts what follows down to somebody who has just been recognised.
pub async fn acting_as<T>(user: UserId, work: impl Future<Output = T>) -> T {
    let act = current_act().unwrap_or_else(|| Act::of(Origin::Request));
    acting(Act { actor: Some(user), ..act }, work).await
}

/// The circumstances of the work under way; `None` outside [`acting`], and in a task that was
/// spawned.
#[must_use]
pub fn current_act() -> Option<Act> {
    CURRENT.try_with(Act::clone).ok()
}
