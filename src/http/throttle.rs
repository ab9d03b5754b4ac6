//! What is done only so often, over all replicas.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_web::rt;
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use watchme_actors::{
    domain::{Email, LoginDelays, RateLimit, User, UserId},
    ports::{Clock, Meter, Throttles},
};

use super::{
    ErrorCode, Problem,
    client_address::network_of,
    quotas::{self, Policy},
};
use crate::{
    auth::{Keys, Purpose},
    config::ThrottleConfig,
};

/// For what is done beside an answer.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Lets in what is not too often.
pub(crate) struct Throttle {
    store: Arc<dyn Throttles>,
    clock: Arc<dyn Clock>,
    digest: Hmac<Sha256>,
    limits: ThrottleConfig,
}

/// Whom something is counted for. The store knows them by a keyed digest only.
enum Whom<'a> {
    /// Whoever has this address, whether anybody has or not.
    Address(&'a Email),
    User(UserId),
    Client(IpAddr),
}

/// A login that was let in and counts as failed until it is said to have succeeded.
///
/// One that is dropped stays counted: whoever hangs up before the verdict has guessed all the same.
#[must_use]
pub(crate) struct Attempt(Option<Counted>);

struct Counted {
    store: Arc<dyn Throttles>,
    name: String,
    delays: LoginDelays,
}

impl Attempt {
    /// The password was right: earlier failures are forgotten.
    pub(crate) async fn succeeded(self) {
        if let Some(counted) = self.0 {
            forget(&*counted.store, &counted.name).await;
        }
    }

    /// The password was not looked at, because something failed before. It is carried through, but
    /// the answer, which is late already, waits for it only a moment.
    pub(crate) async fn withdraw(self) {
        let Some(counted) = self.0 else { return };
        let withdrawn = rt::spawn(async move {
            if let Err(error) = counted.store.withdraw(&counted.name, &counted.delays).await {
                // The failure will be forgotten in a day.
                tracing::warn!(%error, "a login that came to no verdict stays counted as failed");
            }
        });
        let _ = tokio::time::timeout(A_MOMENT, withdrawn).await;
    }
}

/// There is an answer to give already, whatever comes of it.
async fn forget(store: &dyn Throttles, name: &str) {
    if let Err(error) = store.forget(name).await {
        tracing::warn!(%error, "failed logins before one that succeeded stay counted");
    }
}

impl Throttle {
    pub(crate) fn new(
        store: Arc<dyn Throttles>,
        clock: Arc<dyn Clock>,
        keys: &Keys,
        limits: ThrottleConfig,
    ) -> Self {
        Self { store, clock, digest: keys.derive(Purpose::Throttles).current.mac(), limits }
    }

    /// A login, or another check of an account's password.
    ///
    /// # Errors
    /// 429; 503.
    pub(crate) async fn login(&self, email: &Email, from: IpAddr) -> Result<Attempt, Problem> {
        self.attempt(&Whom::Address(email), from).await
    }

    /// A check of the password of somebody who is signed in.
    ///
    /// # Errors
    /// 429; 503.
    pub(crate) async fn password(&self, user: UserId, from: IpAddr) -> Result<Attempt, Problem> {
        self.attempt(&Whom::User(user), from).await
    }

    /// Whoever reads the account's mail has set a password: nobody's guesses keep them out.
    pub(crate) async fn forget(&self, account: &User) {
        for whom in [Whom::Address(&account.email), Whom::User(account.id)] {
            forget(&*self.store, &self.name("failures", &whom)).await;
        }
    }

    /// An account to be made.
    ///
    /// # Errors
    /// 429; 503.
    pub(crate) async fn register(&self, from: IpAddr) -> Result<(), Problem> {
        self.charge(&[("register", self.limits.register, Whom::Client(from))]).await
    }

    /// A mail that somebody has asked for: a recovery, or a verification once more.
    ///
    /// # Errors
    /// 429; 503.
    pub(crate) async fn forgot(&self, email: &Email, from: IpAddr) -> Result<(), Problem> {
        self.charge(&[
            ("forgot", self.limits.forgot, Whom::Address(email)),
            ("forgot-client", self.limits.forgot_client, Whom::Client(from)),
        ])
        .await
    }

    /// A refresh.
    ///
    /// # Errors
    /// 429; 503.
    pub(crate) async fn refresh(&self, from: IpAddr) -> Result<(), Problem> {
        self.charge(&[("refresh", self.limits.refresh, Whom::Client(from))]).await
    }

    async fn attempt(&self, whom: &Whom<'_>, from: IpAddr) -> Result<Attempt, Problem> {
        self.charge(&[("login", self.limits.login, Whom::Client(from))]).await?;
        let Some(delays) = self.limits.login_delays else { return Ok(Attempt(None)) };
        let name = self.name("failures", whom);
        match self.store.attempt(&name, &delays, self.clock.now()).await? {
            None => Ok(Attempt(Some(Counted { store: Arc::clone(&self.store), name, delays }))),
            Some(wait) => {
                let detail =
                    "too many logins to this account have failed: wait before you try again";
                Err(Problem::new(ErrorCode::TooManyRequests, detail).retry_after(wait))
            }
        }
    }

    /// Charges the limits that are set, all of them or none.
    async fn charge(
        &self,
        limits: &[(&'static str, Option<RateLimit>, Whom<'_>)],
    ) -> Result<(), Problem> {
        let set: Vec<(Policy, &Whom<'_>)> = limits
            .iter()
            .filter_map(|(name, limit, whom)| Some((Policy { name, limit: (*limit)? }, whom)))
            .collect();
        if set.is_empty() {
            return Ok(());
        }
        let meter = |(policy, whom): &(Policy, &Whom<'_>)| Meter {
            name: self.name(policy.name, whom),
            limit: policy.limit,
        };
        let meters: Vec<Meter> = set.iter().map(meter).collect();
        let charged = self.store.charge(&meters, self.clock.now()).await?;
        for ((policy, whom), quota) in set.into_iter().zip(charged.quotas) {
            // What others have done with an address is nobody's business.
            if let Whom::Client(_) = whom {
                quotas::note(policy, quota);
            }
        }
        match charged.refused_for {
            None => Ok(()),
            Some(wait) => Err(Problem::of(ErrorCode::TooManyRequests).retry_after(wait)),
        }
    }

    /// The name under which the store counts.
    fn name(&self, what: &str, whom: &Whom<'_>) -> String {
        let whom = match whom {
            Whom::Address(email) => email.as_str().to_owned(),
            Whom::User(user) => user.to_string(),
            Whom::Client(address) => network_of(*address).to_string(),
        };
        let digest = self.digest.clone().chain_update(what).chain_update([0]).chain_update(whom);
        format!("{what}:{}", HEXLOWER.encode(&digest.finalize().into_bytes()))
    }
}
